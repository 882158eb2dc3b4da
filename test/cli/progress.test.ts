import type { WriteStream } from "node:tty";
import { expect, test } from "vitest";
import { Progress } from "../../apps/cli/terminal/progress.js";
import { openDevice } from "../../engine/index.js";

test("a terminal that says it has 0 columns shows a line as others do, cut to their width", () => {
  const written: string[] = [];
  const terminal = { isTTY: true, columns: 0, write: (text: string) => written.push(text) } as unknown as WriteStream;
  new Progress(null, terminal).counting("x".repeat(100), "MB")(1, 2);
  expect(written).toEqual(["x".repeat(79)]);
});

test("a log shows the first and the last step of each training at once, others every few seconds", async () => {
  using device = await openDevice("reference");
  const lines: string[] = [];
  const log = { isTTY: false, write: (text: string) => lines.push(text) } as unknown as WriteStream;
  const { onEvent } = new Progress(device, log);
  for (let training = 0; training < 2; training++) {
    onEvent({ type: "ready", trainable: 1, total: 1, steps: 4, rows: 8, resumedAt: 0 });
    for (let step = 1; step <= 4; step++)
      onEvent({ type: "step", step, steps: 4, epoch: 1, loss: 1, lr: 1, waited: 0 });
  }
  const steps = lines.flatMap((line) => /^step \d\/4/.exec(line)?.[0] ?? []);
  expect(steps).toEqual(["step 1/4", "step 4/4", "step 1/4", "step 4/4"]);
});

test("on a terminal that is tall enough the loss is plotted above the line, and both are written over", async () => {
  using device = await openDevice("reference");
  const shown = (rows: number) => {
    const written: string[] = [];
    const stream = { isTTY: true, columns: 60, rows, write: (text: string) => written.push(text) };
    const progress = new Progress(device, stream as unknown as WriteStream);
    progress.onEvent({ type: "ready", trainable: 1, total: 1, steps: 30, rows: 8, resumedAt: 0 });
    for (let step = 1; step <= 30; step++)
      progress.onEvent({ type: "step", step, steps: 30, epoch: 1, loss: 31 - step, lr: 1, waited: 0 });
    return written.join("");
  };
  const tall = shown(40);
  const last = tall.slice(tall.lastIndexOf("\r"));
  const lines = last.slice(last.indexOf("K") + 1).split("\n");
  expect(lines).toHaveLength(10);
  expect(lines[0]).toMatch(/^ *30 │[\u2800-\u28ff]+$/);
  expect(lines[7]).toMatch(/^ +step 1 +30$/);
  // The loss falls by one a step, from 30 to 1: a smoothed one lags behind, and is called so.
  const [, loss] = /^step 30\/30 {2}epoch 1 {2}smoothed loss ([\d.]+) {2}/.exec(lines[8]) ?? [];
  expect(Number(loss)).toBeGreaterThan(10);
  expect(shown(20)).not.toContain("│");
});
