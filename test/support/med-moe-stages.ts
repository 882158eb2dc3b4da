import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { consilium, temporaryFolder } from "../cli/support.js";
import { imageFile } from "../med-moe/support.js";

export const IMAGES = ["synpic100132.jpg", "synpic100176.jpg", "synpic12210.jpg", "synpic100228.jpg"];
export const ROWS = Array.from({ length: 8 }, (_, i) => ({
  id: i,
  image: IMAGES[i % 4],
  modality: ["CT", "MRI"][i % 2],
  answer_type: "OPEN",
  conversations: [
    { from: "human", value: "<image>\nWhat is shown?" },
    { from: "gpt", value: ["a lung", "a liver"][i % 2] },
  ],
}));
export const TUNING = ["--batch", "2", "--accumulate", "1", "--epochs", "1", "--lr", "1e-3"];

/** `train med-moe` on a few conversations, in a folder that goes after the tests of the file. */
export function medMoeStages() {
  const folder = temporaryFolder();
  const path = (...names: string[]) => join(folder, ...names);
  let files = 0;
  function dataFile(items: readonly object[] = ROWS): string {
    const file = path(`data-${files++}.json`);
    writeFileSync(file, JSON.stringify(items));
    return file;
  }
  const data = dataFile();

  /** Arguments of the command for a stage that writes to `out`. */
  const train = (stage: string, out: string, ...more: string[]) => [
    ...["train", "med-moe", "--stage", stage, "--out", path(out)],
    ...["--data", data, "--image-folder", dirname(imageFile("any"))],
    ...["--precision", "f32", "--device", "cpu", "--threads", "1", ...more],
  ];
  /** Those of the last stage, from what `instruct` and `router` hold. */
  const moe = (out: string, ...more: string[]) =>
    train("moe", out, "--model-path", path("instruct"), "--router", path("router"), ...more);

  /** A command that succeeds. */
  async function run(args: readonly string[], start = consilium) {
    const { code, stdout, stderr } = await start(args);
    expect(code, stderr).toBe(0);
    return { stdout, stderr };
  }
  /** The JSON of one. */
  const document = async (args: readonly string[], start = consilium) =>
    JSON.parse((await run([...args, "--json", "-"], start)).stdout);
  return { folder, path, data, dataFile, train, moe, run, document };
}
