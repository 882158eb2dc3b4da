import { afterAll, describe, expect, test } from "vitest";
import { runTasks } from "../../bench/run-tasks.js";
import { tasksOf } from "../../bench/suites/index.js";
import { roomOf } from "../../bench/suites/room.js";
import { tryOpen } from "../support/devices.js";

const KIB = 2 ** 10;
const webgpu = await tryOpen("webgpu");
const cpu = await tryOpen("cpu", { threads: 1, memoryBudget: 64 * KIB * KIB });
afterAll(() => {
  for (const { device } of [webgpu, cpu]) device?.close();
});

test("the room of cpu is its memory, the host's inputs in it", ({ skip }) => {
  if (!cpu.device) return skip(cpu.reason);
  expect(roomOf(cpu.device)).toEqual({
    bytes: 64 * KIB * KIB,
    tensorBytes: Number.POSITIVE_INFINITY,
    withHost: true,
  });
});

describe("webgpu", () => {
  const { device, reason } = webgpu;
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  test("makes buffers of a size that rows must keep to", () => {
    const { tensorBytes } = roomOf(device);
    // What WebGPU promises everywhere.
    expect(tensorBytes).toBeGreaterThanOrEqual(256 * KIB * KIB);
    expect(tensorBytes).toBeLessThan(Number.POSITIVE_INFINITY);
    const rows = Math.floor(tensorBytes / 4 / KIB);
    const { tasks, skipped } = tasksOf("layer-norm", { shapes: `${rows}x1024,${rows + 1}x1024`, room: roomOf(device) });
    expect([...tasks, ...skipped].filter(({ shape }) => shape === `${rows + 1}x1024`)).toEqual(
      skipped.filter(({ reason }) =>
        /^a tensor of .* [MG]B; a buffer of this device has .* [MG]B at most$/.test(reason),
      ),
    );
  });

  test("runs a row past its bindings in parts where it can, and skips it with the bytes where not", async () => {
    const own = device.binding.limits;
    Object.assign(device.binding, { limits: { ...own, maxBinding: 64 * KIB } });
    try {
      const { live } = device.memory();
      const tasks = [
        ["layer-norm", "1024x33"],
        ["cross-entropy", "2x30522"],
      ].flatMap(
        ([suite, shapes]) => tasksOf(suite as "matmul", { shapes, pass: "forward", room: roomOf(device) }).tasks,
      );
      const { rows, failed } = await runTasks(device, tasks, [], { threads: 1, dtype: "f32", budgetSeconds: 1 });
      expect(rows.map(({ op }) => op)).toEqual(["layerNorm"]);
      expect(failed.map(({ op, shape, reason }) => `${op} ${shape}: ${reason}`)).toEqual([
        expect.stringMatching(
          /^crossEntropy 2x30522: it failed: cross-entropy\/forward: logits would take a binding of \d+ bytes; this adapter's hold 65536/,
        ),
      ]);
      expect(device.memory().live).toBe(live);
    } finally {
      Object.assign(device.binding, { limits: own });
    }
  });
});
