import { expect, it } from "vitest";
import { phasesOf } from "../../../bench/row/phases.js";
import { tasksOf } from "../../../bench/suites/index.js";
import { openDevice } from "../../../engine/index.js";

it("names what a mixture's layer is made of, forward and backward, in the order it runs", async () => {
  using device = await openDevice("cpu", { threads: 1 });
  const [forward, whole] = tasksOf("moe", { shapes: "12x8x12x3x2" }).tasks;
  const names = async (task: typeof forward) => {
    const ours = await task.prepare(device);
    const phases = (await phasesOf(device, task.op, ours)) ?? [];
    await ours.contender.release();
    return phases.map(({ phase, pass, us, launches }) => {
      expect(us, phase).toBeGreaterThan(0);
      return `${pass} ${phase} ${launches}`;
    });
  };
  const layer = [
    "forward router 1",
    "forward routing 3",
    "forward up with activation, rows gathered 1",
    "forward down 1",
    "forward combine 1",
  ];
  expect(await names(forward)).toEqual(layer);
  expect(await names(whole)).toEqual([
    ...layer,
    "backward down: input, with activation 2",
    "backward down: weight 1",
    "backward up: weight 1",
    "backward up: input 1",
    "backward combine 1",
    "backward routing 1",
    "backward router: weight and input 2",
    "backward elementwise/accumulate 1",
  ]);
});

it("leaves them out where launches are not timed, and where there is one", async () => {
  for (const [name, suite, shape] of [
    ["reference", "moe", "12x8x12x3x2"],
    ["cpu", "matmul", "8x9x10"],
  ] as const) {
    using device = await openDevice(name);
    const [task] = tasksOf(suite, { shapes: shape }).tasks;
    const ours = await task.prepare(device);
    expect(await phasesOf(device, task.op, ours)).toBeNull();
    await ours.contender.release();
  }
});
