import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MedMoeRunConfig } from "../../models/index.js";
import { medMoeRuns, rows, said } from "../support/med-moe-runs.js";
import { rewriteTensors } from "./support.js";

const { path, dataOf, train, instruct, moe } = await medMoeRuns();

describe("refused before the first step", () => {
  const LONG = Array.from({ length: 600 }, () => "lung").join(" ");
  /** The language model of a folder, which has seen no images. */
  async function bare(): Promise<string> {
    const at = path("bare");
    cpSync(path("stablelm"), at, { recursive: true });
    const { mm_hidden_size: _, ...config } = JSON.parse(readFileSync(join(at, "config.json"), "utf8"));
    writeFileSync(join(at, "config.json"), JSON.stringify({ ...config, model_type: "stablelm" }));
    await rewriteTensors(at, (name) => (name.includes("mm_projector") ? null : name));
    return at;
  }
  const ALONE = { epochs: 1, batch: 4, accumulate: 1, dtype: "F32" } as const;

  test("conversations that are longer than the model, each by its place", async () => {
    const items = rows.slice(0, 4).map((row, i) => (i % 2 === 1 ? said(row, LONG) : row));
    const input = instruct({ data: dataOf("long.json", items) });
    await expect(train("long", input)).rejects.toThrow(
      /long\.json: it is longer than the model \(items 2 and 4\)\. The model has 512 positions, an image takes 9 of them: .*--max-length \(2048\)/,
    );
    // Cut, it fits.
    const cut = await train("cut", instruct({ data: dataOf("long.json", items), maxLength: 504, epochs: 1 }));
    expect(cut.steps).toBe(1);
    await expect(train("cut by one less", { ...input, maxLength: 505 })).rejects.toThrow("longer than the model");
  });

  test("questions of a router that are", async () => {
    const [first, ...others] = rows.slice(0, 4);
    const long = { ...first, conversations: [{ from: "human", value: `<image>\n${LONG}` }, first.conversations[1]] };
    const input = { stage: "router", model: path("stablelm"), data: dataOf("asked.json", [...others, long]) } as const;
    await expect(train("asked", input)).rejects.toThrow("asked.json: it is longer than the model (item 4)");
  });

  test("alignment with conversations of many turns", async () => {
    const many = { ...rows[1], conversations: [...rows[1].conversations, ...rows[2].conversations] };
    many.conversations[2] = { from: "human", value: "And now?" };
    const input = { stage: "align", model: path("stablelm"), ...ALONE } as const;
    await expect(train("turns", { ...input, data: dataOf("turns.json", [rows[0], many]) })).rejects.toThrow(
      "turns.json: it has more than the two turns of the template plain, an image and its caption (item 2)",
    );
  });

  test("a language model whose projector would start at random, unless that is asked for", async () => {
    const model = await bare();
    const text =
      "its projector would start at random. Name what stage align wrote (`projector`), or ask for it (`newProjector`)";
    await expect(train("blind", instruct({ model }))).rejects.toThrow(text);
    await expect(train("blind", moe("stablelm", { model }))).rejects.toThrow(text);
    await expect(train("blind", { stage: "router", model })).rejects.toThrow("Name the dense model of stage instruct");
    expect((await train("seeing", instruct({ model, newProjector: true, epochs: 1 }))).steps).toBe(2);
    const align = { stage: "align", model, ...ALONE } as const;
    expect((await train("aligned", align)).steps).toBe(2);

    const aligned = path("aligned");
    await expect(train("from-projector", instruct({ model: aligned }))).rejects.toThrow(
      `as stage align leaves it. Name the language model that it was trained for, and this folder as its projector: --model-path BASE --projector ${aligned}`,
    );
    await expect(train("from-projector", { stage: "router", model: aligned })).rejects.toThrow(
      "Give it to stage instruct as --projector",
    );
    expect((await train("next", instruct({ model, projector: aligned, epochs: 1 }))).steps).toBe(2);
  });

  test.each<[string, object, string]>([
    ["adapters in alignment", { stage: "align", lora: {} }, "stage align trains the projector alone"],
    [
      "adapters in attention beside the paper's choice",
      { stage: "moe", trains: "paper", lora: { targets: "all" } },
      "Take ffn, whose adapters are in them",
    ],
    [
      "adapters in a language model that is trained itself",
      { stage: "instruct", alsoTrain: ["language"], lora: {} },
      "freeze the language model. Train it or them, not both",
    ],
  ])("%s", (_, settings, text) => {
    const given = { model: "any", data: { set: "json", files: ["any.json"] }, ...settings };
    const { error } = MedMoeRunConfig.safeParse(given);
    expect(error?.issues.map(({ message }) => message)).toEqual([expect.stringContaining(text)]);
  });
});
