import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunConfig, trainMiss } from "../../models/index.js";
import { tryOpen } from "../support/devices.js";
import { bertVocabulary, organSmoke } from "./support.js";

const STEPS = 20;
/** Relative: some ten roundings of a loss in f32. Seen on lavapipe: 2e-7 at most. */
const TOLERANCE = 1e-6;

test("webgpu's losses of the first 20 steps are cpu's", async (context) => {
  const { device: gpu, reason } = await tryOpen("webgpu");
  if (!gpu) return context.skip(reason);
  const { device: cpu } = await tryOpen("cpu");
  if (!cpu) throw new Error("cpu must open");
  const losses: number[][] = [];
  for (const device of [cpu, gpu]) {
    const out = mkdtempSync(join(tmpdir(), "consilium-devices-"));
    const stop = new AbortController();
    const seen: number[] = [];
    await trainMiss(RunConfig.parse({ ...organSmoke, validation: 0, epochs: 6, warmupSteps: 5, schedule: "step" }), {
      device,
      out,
      bertVocabulary,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "step" && seen.push(event.loss) === STEPS) stop.abort();
      },
    });
    losses.push(seen.slice(0, STEPS));
    device.close();
    rmSync(out, { recursive: true });
  }
  const [onCpu, onGpu] = losses;
  expect(onCpu).toHaveLength(STEPS);
  // It learns: the same number twenty times would agree, too.
  expect(onCpu[STEPS - 1]).toBeLessThan(0.7 * onCpu[0]);
  const apart = onCpu.map((loss, i) => Math.abs(onGpu[i] / loss - 1));
  expect(Math.max(...apart), `relative differences: ${apart.map((a) => a.toExponential(1)).join(" ")}`).toBeLessThan(
    TOLERANCE,
  );
}, 300_000);
