import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shortened } from "../support/simulated.js";
import { consilium, consiliumProcess, consiliumStoppedAt, smallOrganData, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const data = smallOrganData(folder, 2);
const run = (out: string) => join(folder, out);
const onCuda = ["--device", "cuda"];

const train = (out: string) => [
  ...["train", "miss", "--out", run(out), "--set", "organ", "--data", data, "--vocabulary", "reduced"],
  ...[
    "--scaling",
    "ordinary",
    "--image-size",
    "16",
    "--epochs",
    "1",
    "--batch",
    "3",
    "--lr",
    "1e-3",
    "--answering",
    "rank",
    "--rank-k",
    "2",
  ],
  ...["--validation", "0", "--checkpoint-seconds", "0", "--json", "-", ...onCuda],
];

test.skipIf(shortened)(
  "train miss on cuda, stopped and resumed in the same bits; eval of what it wrote",
  async () => {
    const whole = await consilium(train("whole"));
    expect(whole.code, whole.stderr).toBe(0);
    const report = JSON.parse(whole.stdout);
    expect(report).toMatchObject({ command: "train miss", steps: 2, resumedAt: 0 });
    expect(report.history.loss.every(Number.isFinite)).toBe(true);

    const stopped = await consiliumStoppedAt(/2 steps/, "SIGINT", train("stopped"));
    expect(stopped.code, stopped.stderr).toBe(130);
    const resumed = await consiliumProcess(["train", "miss", "--out", run("stopped"), "--resume", ...onCuda]);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/going on at step \d+/);
    for (const file of ["last.safetensors", "model.safetensors"])
      expect(readFileSync(join(run("stopped"), file)).equals(readFileSync(join(run("whole"), file))), file).toBe(true);

    const evaluated = await consilium(["eval", "miss", run("whole"), "--json", "-", ...onCuda]);
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout).metrics).toEqual(report.metrics);
  },
  300_000,
);
