import { describe, expect, test } from "vitest";
import { changedKeys, departuresOf } from "../../apps/cli/demo/departures.js";
import { demoStages, departures } from "../../apps/cli/demo/settings.js";

const runs = demoStages.map((stage) => stage.run);

describe("where the demo leaves the published pipeline", () => {
  const printed = departures(demoStages);

  test("every setting that differs is printed with its value and a reason", () => {
    const text = printed.map(([setting]) => setting).join(", ");
    for (const key of changedKeys(runs)) expect(text).toMatch(new RegExp(`(^|, )${key.replace(".", "\\.")}: `));
    expect(printed.filter(([, why]) => why === "")).toEqual([]);
  });

  test("settings that hide easily are among them", () => {
    const hidden = ["initializerRange", "epochs", "answering.k", "adaptation.vit", "adaptation.dropout", "validation"];
    expect(changedKeys(runs)).toEqual(expect.arrayContaining([...hidden, "validateEvery", "warmupSteps", "dropPath"]));
    expect(printed.map(([setting]) => setting).join()).toContain("initializerRange: 0.1 (published: 0.02)");
  });

  test("one that nobody explained is printed all the same", () => {
    const explained = departuresOf([{ ...runs[0], weightDecay: 0.5 }], []);
    expect(explained).toContainEqual(["weightDecay: 0.5 (published: 0.05)", ""]);
  });
});
