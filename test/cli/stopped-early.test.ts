import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Interruption } from "../../apps/cli/terminal/interruption.js";
import { stoppedEarly } from "../../apps/cli/train/training-run.js";
import { temporaryFolder } from "./support.js";

const folder = temporaryFolder();

test("a run that is stopped before a step says whether there is a checkpoint", async () => {
  const stopped = async (out: string) => {
    using interruption = new Interruption();
    const work = new Promise<never>((_, reject) => {
      interruption.signal.addEventListener("abort", () => reject(interruption.signal.reason));
    });
    const guarded = interruption.guard(work, stoppedEarly(out, "npx consilium train med-moe --resume"));
    process.emit("SIGTERM");
    return guarded.catch((error: Error) => error.message);
  };
  const out = join(folder, "run");
  expect(await stopped(out)).toBe("stopped before the first step; nothing was saved.");
  mkdirSync(out);
  writeFileSync(join(out, "last.safetensors"), "");
  expect(await stopped(out)).toBe(
    `stopped before a step; the checkpoint in ${out} stands. Go on with: npx consilium train med-moe --resume`,
  );
});
