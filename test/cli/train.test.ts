import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io } from "../../engine/index.js";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumProcess, consiliumStoppedAt, smallOrganData, temporaryFolder } from "./support.js";

const TIMEOUT = 300_000;
const { device, reason } = await tryOpen("cpu", {});
device?.close();

const folder = temporaryFolder();
const data = smallOrganData(folder, 8);
const run = (out: string) => join(folder, out);
/** 18 questions without those of 2 images held back, 4 a step, 3 epochs: 15 steps; a checkpoint after nearly every one. */
const train = (out: string, ...more: string[]) => [
  ...[
    "train",
    "miss",
    "--out",
    run(out),
    "--set",
    "organ",
    "--data",
    data,
    "--vocabulary",
    "reduced",
    "--scaling",
    "ordinary",
  ],
  ...[
    "--epochs",
    "3",
    "--batch",
    "4",
    "--lr",
    "1e-3",
    "--schedule",
    "step",
    "--warmup-steps",
    "3",
    "--answering",
    "rank",
  ],
  ...["--rank-k", "5", "--device", "cpu", "--checkpoint-seconds", "0"],
  ...["--validation", "0.25", "--validate-every", "1", ...more],
];
const resume = (out: string) => ["train", "miss", "--out", run(out), "--resume", "--device", "cpu"];

describe.skipIf(!device)(`train miss on cpu${reason}`, () => {
  test(
    "an uninterrupted run, its JSON, and its evaluation",
    async () => {
      const { code, stdout, stderr } = await consiliumProcess(train("whole", "--json", "-"));
      expect(code, stderr).toBe(0);
      expect(stderr).toContain("18 questions, 15 steps");
      const report = JSON.parse(stdout);
      expect(report).toMatchObject({
        version: 1,
        command: "train miss",
        steps: 15,
        resumedAt: 0,
        config: { batch: 4, seed: 42 },
      });
      expect(report.history.loss).toHaveLength(15);
      expect(report.validations.map((v: { epoch: number }) => v.epoch)).toEqual([1, 2, 3]);
      expect(report.peakBytes).toBeGreaterThan(0);
      expect(report.peakRss).toBeGreaterThan(report.peakBytes);
      expect(report.metrics.details.global.total).toBe(24);

      const predictions = run("predictions.json");
      const evaluated = await consilium([
        "eval",
        "miss",
        run("whole"),
        "--device",
        "cpu",
        "--json",
        "-",
        "--predictions",
        predictions,
        "--baseline",
        run("whole"),
      ]);
      expect(evaluated.code, evaluated.stderr).toBe(0);
      const { metrics, baselines } = JSON.parse(evaluated.stdout);
      expect(metrics).toEqual(report.metrics);
      expect(baselines.model.paired).toMatchObject({ onlyA: 0, onlyB: 0, difference: 0, pValue: 1 });
      expect(JSON.parse(readFileSync(predictions, "utf8"))).toHaveLength(24);
    },
    TIMEOUT,
  );

  test(
    "kill -9 where an epoch ends and resume give the same bits as the uninterrupted run",
    async () => {
      const killed = await consiliumProcess(train("killed"), (child, stderr) => {
        if (stderr.includes("epoch 1: validation accuracy")) child.kill("SIGKILL");
      });
      expect(killed.signal).toBe("SIGKILL");
      const { code, stderr } = await consiliumProcess(resume("killed"));
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/going on at step \d+/);
      sameRun("killed", "whole");
    },
    TIMEOUT,
  );

  test(
    "Ctrl-C stops after a step with a checkpoint and says how to go on; a second run goes on",
    async () => {
      const stopped = await consiliumStoppedAt(/epoch 1: validation accuracy/, "SIGINT", train("stopped"));
      expect(stopped.code).toBe(130);
      expect(stopped.stderr).not.toMatch(/\n\s+at /);
      const [, again] = /Go on with: npx consilium (.*)\n/.exec(stopped.stderr) ?? [];
      expect(again).toBe(`train miss --out ${run("stopped")} --resume --checkpoint-seconds 0 --device cpu`);
      const { code, stderr } = await consiliumProcess(again.split(" "));
      expect(code, stderr).toBe(0);
      sameRun("stopped", "whole");
    },
    TIMEOUT,
  );

  test(
    "in f16, stopped and resumed: the same bits, the state of the loss scale included",
    async () => {
      const whole = await consilium(train("half", "--precision", "f16", "--json", "-"));
      expect(whole.code, whole.stderr).toBe(0);
      expect(JSON.parse(whole.stdout).config.precision).toBe("f16");
      let sent = false;
      const stopped = await consiliumProcess(train("half-stopped", "--precision", "f16"), (child, stderr) => {
        if (sent || !stderr.includes("step ")) return;
        sent = true;
        child.kill("SIGINT");
      });
      expect(stopped.code).toBe(130);
      const { code, stderr } = await consiliumProcess(resume("half-stopped"));
      expect(code, stderr).toBe(0);
      sameRun("half-stopped", "half");
      await using reader = await io.openCheckpoint(join(run("half"), "last.safetensors"));
      expect(reader.names).toEqual(expect.arrayContaining(["scaler.scale", "scaler.counts", "optimizer.schedule"]));
    },
    TIMEOUT,
  );

  test("a folder that holds a run is not overwritten", async () => {
    const { code, stderr } = await consilium(train("whole"));
    expect(code).toBe(2);
    expect(stderr).toContain("--resume");
  });

  test("other settings on resume are refused", async () => {
    const { code, stderr } = await consilium([...resume("whole"), "--lr", "0.5"]);
    expect(code).toBe(1);
    expect(stderr).toContain("lr 0.001, now 0.5");
  });

  test(
    "a loss that is not finite ends the run with advice",
    async () => {
      const { code, stderr } = await consilium(train("wild", "--lr", "1e30"));
      rmSync(run("wild"), { recursive: true });
      expect(code).toBe(1);
      expect(stderr).toContain("Use a smaller --lr or --clip-norm");
    },
    TIMEOUT,
  );

  test("an image size that the patches do not divide is refused before anything is written", async () => {
    const { code, stderr } = await consilium(train("odd", "--image-size", "70"));
    expect(code).toBe(1);
    expect(stderr).toContain("imageSize 70 is not a multiple of patch 8");
    expect(existsSync(run("odd"))).toBe(false);
  });
});

/** Weights, optimizer state, loss history, random state: the whole file, byte for byte. */
function sameRun(a: string, b: string): void {
  for (const file of ["last.safetensors", "model.safetensors"])
    expect(readFileSync(join(run(a), file)).equals(readFileSync(join(run(b), file))), file).toBe(true);
}
