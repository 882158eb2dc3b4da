import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunConfig } from "../../models/index.js";
import { consilium, goldenFolder, temporaryFolder, vqaRad } from "./support.js";

const folder = temporaryFolder();
const run = (name: string, settings: object) => {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "run.json"), JSON.stringify(settings));
  return join(folder, name);
};

/** What a run leaves that was stopped before its first model. */
const begun = run("begun", RunConfig.parse({ data: { set: "organ", folder: vqaRad }, epochs: 1 }));

test.each([
  ["eval miss", ["eval", "miss", begun]],
  ["eval miss, of its baseline", ["eval", "miss", begun, "--baseline", begun]],
  ["info", ["info", begun]],
])("%s of a run that has no model yet: it is not finished, and how to go on", async (_, words) => {
  const { code, stderr } = await consilium(words);
  expect(stderr).toBe(
    `consilium: ${begun}: its training is not finished: there is no model.safetensors yet. ` +
      `Go on with: npx consilium train miss --out ${begun} --resume\n`,
  );
  expect(code).toBe(1);
});

test("info of a run of Med-MoE that has no model yet", async () => {
  const moe = run("moe", { stage: "instruct" });
  const { code, stderr } = await consilium(["info", moe]);
  expect(stderr).toContain(`Go on with: npx consilium train med-moe --out ${moe} --resume`);
  expect(code).toBe(1);
});

test("a run that has its model is read", async () => {
  const done = run("done", RunConfig.parse({ data: { set: "organ", folder: vqaRad }, epochs: 1 }));
  cpSync(join(goldenFolder, "miss_tiny.safetensors"), join(done, "model.safetensors"));
  expect((await consilium(["info", done])).code).toBe(0);
});
