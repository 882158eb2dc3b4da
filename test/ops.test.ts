import { afterAll, describe, expect, test } from "vitest";
import { hostInputs } from "../engine/check/fill.js";
import { type OpResult, outputGradient, runOp } from "../engine/check/run-op.js";
import type { Op } from "../engine/define-op.js";
import { openDevice } from "../engine/open-device.js";
import type { CaseTable, OpCase } from "../kernels/contract.js";
import { expectClose } from "./support/compare.js";
import { tryOpen, watchGuards } from "./support/devices.js";
import { elements, ops, tables, toleranceOf } from "./support/ops.js";
import { type Slicing, slicingsOf, someOf, take, takeInput } from "./support/slices.js";

/** Every case of every op on every device that has it, against exact arithmetic on the same inputs. */
const exact = await openDevice("reference", { exact: true });
/** An instruction set below the machine's best (vitest.config.ts): small cases of the cpu device only. */
const restricted = Boolean(process.env.CONSILIUM_SIMD);
const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const oneThread = await tryOpen("cpu", { threads: 1 });
const threeThreads = await tryOpen("cpu", { threads: 3 });
const webgpu = restricted ? { device: null } : await tryOpen("webgpu", { debug: true });
const guards = cpu.device && watchGuards(cpu.device);
const webgpuGuards = webgpu.device && watchGuards(webgpu.device);
afterAll(() => {
  for (const d of [exact, cpu.device, oneThread.device, threeThreads.device, webgpu.device]) d?.close();
});

/** Operations of a forward beyond which a plain loop takes seconds: it then computes slices of the case. */
const LIMIT = 2e8;
/** Software adapters are some 100 times slower than the cpu device; a GPU takes what the reference can compute. */
const WEBGPU_LIMIT = webgpu.device?.binding.limits?.software === false ? Number.POSITIVE_INFINITY : 60_000;

for (const { folder, table } of tables) {
  const op = ops.get(table.op);
  describe(`${table.op} (kernels/${folder})`, () => {
    test("the op exists", () => expect(op, `engine/ops has no op named ${table.op}`).toBeDefined());
    if (!op) return;
    for (const c of table.cases) {
      // A restricted instruction set is run beside the best one, which has the large cases.
      if (restricted && elements(c) > 50_000) continue;
      if ((table.cost?.(c, "forward").flops ?? 0) > LIMIT) {
        const slicings = slicingsOf(table.op, c);
        if (slicings.length === 0) test.skip(`${c.name}: dropout numbers the elements of the whole, no slice is alike`);
        for (const slicing of slicings)
          test.skipIf(!cpu.device)(`cpu f32: ${c.name}, slices of ${Object.keys(slicing.inputs)}`, () =>
            compareSlices(op, table, c, slicing),
          );
        continue;
      }
      for (const dtype of c.dtypes ?? (["f32"] as const)) {
        const tolerance = toleranceOf(table, c, dtype);

        const compare = async (device: NonNullable<typeof cpu.device>) => {
          const inputs = hostInputs(c, dtype);
          const expected = await runOp(exact, op, c, inputs, op.differentiable);
          const live = device.memory().allocations;
          const got = await runOp(device, op, c, inputs, op.differentiable);
          for (const [i, y] of got.outputs.entries()) expectClose(`output ${i}`, y, expected.outputs[i], tolerance);
          for (const [name, gradient] of Object.entries(expected.gradients)) {
            if (c.noGradient?.[name]) continue;
            expect(got.gradients[name] === null, `d${name} is there on one device only`).toBe(gradient === null);
            if (gradient) expectClose(`d${name}`, got.gradients[name] as Float64Array, gradient, tolerance);
          }
          expect(device.memory().allocations, "allocations left behind").toBe(live);
          return inputs;
        };

        test.skipIf(!cpu.device)(`cpu ${dtype}: ${c.name}`, async () => {
          const inputs = await compare(cpu.device as NonNullable<typeof cpu.device>);
          expect(await guards?.(), "guard zones").toEqual([]);
          const runs = [];
          for (const d of [oneThread.device, threeThreads.device, threeThreads.device])
            if (d) runs.push(await runOp(d, op, c, inputs, op.differentiable));
          for (const r of runs) expect(sameBits(r, runs[0]), "bits differ between runs or thread counts").toBe(true);
        });

        // WGSL has no bf16: a checkpoint's are converted when they are uploaded.
        if (restricted || dtype === "bf16") continue;
        if (elements(c) > WEBGPU_LIMIT) {
          test.skip(`webgpu ${dtype}: ${c.name}: too large for a software adapter`, () => {});
          continue;
        }
        test.skipIf(!webgpu.device)(`webgpu ${dtype}: ${c.name}`, async (context) => {
          const device = webgpu.device as NonNullable<typeof webgpu.device>;
          if (dtype === "f16" && !device.binding.limits?.f16) context.skip("this adapter has no shader-f16");
          await compare(device);
          expect(await webgpuGuards?.(), "guard zones").toEqual([]);
        });
      }
    }
  });
}

/** The whole case on the cpu device, against the reference on some indices of it. */
async function compareSlices(op: Op, table: CaseTable, c: OpCase, { inputs: axes, output }: Slicing): Promise<void> {
  const inputs = hostInputs(c, "f32");
  const device = cpu.device as NonNullable<typeof cpu.device>;
  const got = await runOp(device, op, c, inputs, op.differentiable);
  expect(await guards?.(), "guard zones").toEqual([]);
  const [yShape] = got.shapes;
  const indices = someOf(yShape[output]);
  const sliced = Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [name, name in axes ? takeInput(input, axes[name], indices) : input]),
  );
  const dy = outputGradient(c, { shape: yShape, size: got.outputs[0].length, dtype: "f32" }, 0);
  const expected = await runOp(exact, op, c, sliced, op.differentiable, () => takeInput(dy, output, indices));
  const tolerance = toleranceOf(table, c, "f32");
  expectClose("y", take(got.outputs[0], yShape, output, indices), expected.outputs[0], tolerance);
  for (const [name, axis] of Object.entries(axes)) {
    const part = take(got.gradients[name] as Float64Array, inputs[name].shape, axis, indices);
    expectClose(`d${name}`, part, expected.gradients[name] as Float64Array, tolerance);
  }
}

function sameBits(a: OpResult, b: OpResult): boolean {
  const bytes = (r: OpResult) => [...r.outputs, ...Object.values(r.gradients)].map((v) => v && Buffer.from(v.buffer));
  return bytes(a).every((x, i) => {
    const y = bytes(b)[i];
    return x === y || (x !== null && y !== null && x.equals(y));
  });
}
