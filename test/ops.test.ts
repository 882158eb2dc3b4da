import { afterAll, describe, expect, test } from "vitest";
import { hostInputs } from "../engine/check/fill.js";
import { type OpResult, outputGradient, runOp } from "../engine/check/run-op.js";
import type { Device } from "../engine/device/device.js";
import { openDevice } from "../engine/device/open-device.js";
import type { Op } from "../engine/dispatch/define-op.js";
import type { CaseTable, OpCase } from "../kernels/case-table.js";
import type { FloatDType } from "../kernels/contract.js";
import { expectClose } from "./support/compare.js";
import { hasF16, tryOpen, watchGuards } from "./support/devices.js";
import { elements, ops, tables, toleranceOf } from "./support/ops.js";
import { onlySmall, repeats, SIMULATED_LIMIT, simulated, useSeed } from "./support/simulated.js";
import { type Slicing, slicingsOf, someOf, take, takeInput, withoutSlices } from "./support/slices.js";

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
const cuda = restricted ? { device: null } : await tryOpen("cuda", { debug: true });
const cudaGuards = cuda.device && watchGuards(cuda.device);
afterAll(() => {
  for (const d of [exact, cpu.device, oneThread.device, threeThreads.device, webgpu.device, cuda.device]) d?.close();
});

/** Operations of a forward beyond which a plain loop takes seconds: it then computes slices of the case. */
const LIMIT = 2e8;
/** Cases that take a software adapter more than two seconds of processor time, each more than that of any other. */
const SLOW_ON_SOFTWARE = new Set([
  "matmul: MISS-base fc2",
  "matmul: 256 × 2048 × 5632",
  "loraMatmul: 512 × 2048 × 2048, rank 8",
  "quantizedMatmul: StableLM fc1, 256 rows, 4 bits",
  "quantizedMatmul: StableLM fc1, 256 rows, 8 bits",
  "attention: ViT-base at 384 px",
  "attention: language model, causal",
  "attentionPacked: MISS-base ViT at 480 px",
]);
const software = webgpu.device?.binding.limits?.software !== false;

for (const { folder, table } of tables) {
  const op = ops.get(table.op);
  describe(`${table.op} (kernels/${folder})`, () => {
    test("the op exists", () => expect(op, `engine/ops has no op named ${table.op}`).toBeDefined());
    if (!op) return;
    for (const c of table.cases) {
      // A restricted instruction set is run beside the best one, which has the large cases.
      if (restricted && elements(c) > 50_000) continue;
      const flops = table.cost?.(c, "forward").flops ?? 0;
      if (onlySmall && (elements(c) > SIMULATED_LIMIT.elements || flops > SIMULATED_LIMIT.flops)) continue;
      if (flops > LIMIT) {
        const slicings = slicingsOf(table.op, c);
        if (slicings.length === 0) test.skip(`${c.name}: ${withoutSlices(c)}`);
        const slow = software && SLOW_ON_SOFTWARE.has(`${table.op}: ${c.name}`);
        for (const slicing of slicings) {
          const title = `${c.name}, slices of ${Object.keys(slicing.inputs)}`;
          test.skipIf(!cpu.device)(`cpu f32: ${title}`, () => compareSlices(op, table, c, slicing, cpu.device, guards));
          if (restricted) continue;
          if (slow) test.skip(`webgpu f32: ${title}: seconds on a software adapter`, () => {});
          else
            test.skipIf(!webgpu.device)(`webgpu f32: ${title}`, () =>
              compareSlices(op, table, c, slicing, webgpu.device, webgpuGuards),
            );
          test.skipIf(!cuda.device)(`cuda f32: ${title}`, () =>
            compareSlices(op, table, c, slicing, cuda.device, cudaGuards),
          );
        }
        continue;
      }
      for (const dtype of c.dtypes ?? (["f32"] as const)) {
        const tolerance = toleranceOf(table, c, dtype);

        const compare = async (device: NonNullable<typeof cpu.device>) => {
          const { inputs, expected } = await truth(op, c, dtype);
          const live = device.memory().allocations;
          const got = await runCase(device, op, c, inputs);
          for (const [i, y] of got.outputs.entries()) expectClose(`output ${i}`, y, expected.outputs[i], tolerance);
          for (const [name, gradient] of Object.entries(expected.gradients)) {
            if (c.noGradient?.[name]) continue;
            expect(got.gradients[name] === null, `d${name} is there on one device only`).toBe(gradient === null);
            if (gradient) expectClose(`d${name}`, got.gradients[name] as Float64Array, gradient, tolerance);
          }
          expect(device.memory().allocations, "allocations left behind").toBe(live);
          return { inputs, got };
        };

        if (!restricted)
          test.skipIf(!cuda.device)(`cuda ${dtype}: ${c.name}`, async () => {
            const device = cuda.device as NonNullable<typeof cuda.device>;
            const [first, ...others] = repeats(device.binding);
            useSeed(first);
            const { inputs, got } = await compare(device);
            expect(await cudaGuards?.(), "guard zones").toEqual([]);
            for (const seed of others) {
              useSeed(seed);
              const again = await runCase(device, op, c, inputs);
              expect(sameBits(again, got), "bits differ between two runs").toBe(true);
            }
          });
        if (simulated) continue;

        test.skipIf(!cpu.device)(`cpu ${dtype}: ${c.name}`, async () => {
          const { inputs } = await compare(cpu.device as NonNullable<typeof cpu.device>);
          expect(await guards?.(), "guard zones").toEqual([]);
          const runs = [];
          for (const d of [oneThread.device, threeThreads.device, threeThreads.device])
            if (d) runs.push(await runCase(d, op, c, inputs));
          for (const r of runs) expect(sameBits(r, runs[0]), "bits differ between runs or thread counts").toBe(true);
        });

        // WGSL has no bf16: a checkpoint's are converted when they are uploaded.
        if (restricted || dtype === "bf16") continue;
        test.skipIf(!webgpu.device)(`webgpu ${dtype}: ${c.name}`, async (context) => {
          const device = webgpu.device as NonNullable<typeof webgpu.device>;
          const f16 = dtype === "f16" || c.options?.dtype === "f16";
          if (f16 && !hasF16(device)) context.skip("this adapter has no shader-f16");
          await compare(device);
          expect(await webgpuGuards?.(), "guard zones").toEqual([]);
        });
      }
    }
  });
}

/** Runs the case forward and, where the op is differentiable, backward. */
const runCase = (device: Device, op: Op, c: OpCase, inputs: Truth["inputs"]) =>
  runOp(device, op, c, inputs, op.differentiable, gradientOf);

let lastGradients: { readonly c: OpCase; readonly made: Map<string, ReturnType<typeof outputGradient>> } | null = null;

/** `outputGradient`: those of the last case are kept, for its devices and numbers of threads. */
function gradientOf(...[c, y, i]: Parameters<typeof outputGradient>): ReturnType<typeof outputGradient> {
  if (lastGradients?.c !== c) lastGradients = { c, made: new Map() };
  const key = `${i} ${y.dtype} ${y.shape}`;
  const made = lastGradients.made.get(key) ?? outputGradient(c, y, i);
  lastGradients.made.set(key, made);
  return made;
}

interface Truth {
  readonly inputs: ReturnType<typeof hostInputs>;
  readonly expected: OpResult;
}

let last: (Truth & { readonly op: Op; readonly c: OpCase; readonly dtype: FloatDType }) | null = null;

/** What the reference makes of a case: the last one is kept, for the devices that follow one another. */
async function truth(op: Op, c: OpCase, dtype: FloatDType): Promise<Truth> {
  if (last?.op !== op || last.c !== c || last.dtype !== dtype) {
    const inputs = hostInputs(c, dtype);
    last = { op, c, dtype, inputs, expected: await runCase(exact, op, c, inputs) };
  }
  return last;
}

/** The whole case on a device, against the reference on some indices of it. */
async function compareSlices(
  op: Op,
  table: CaseTable,
  c: OpCase,
  slicing: Slicing,
  device: Device | null,
  damage: ReturnType<typeof watchGuards> | null,
): Promise<void> {
  const inputs = wholeInputs(c);
  const got = await runCase(device as Device, op, c, inputs);
  expect(await damage?.(), "guard zones").toEqual([]);
  const [yShape] = got.shapes;
  const expected = await slicedTruth(op, c, slicing, yShape);
  const indices = someOf(yShape[slicing.output]);
  const tolerance = toleranceOf(table, c, "f32");
  expectClose("y", take(got.outputs[0], yShape, slicing.output, indices), expected.outputs[0], tolerance);
  for (const [name, axis] of Object.entries(slicing.inputs)) {
    const part = take(got.gradients[name] as Float64Array, inputs[name].shape, axis, indices);
    expectClose(`d${name}`, part, expected.gradients[name] as Float64Array, tolerance);
  }
}

let lastInputs: { readonly c: OpCase; readonly inputs: Truth["inputs"] } | null = null;

/** Inputs of a case too large for a plain loop: the last ones are kept, for its slices and devices. */
function wholeInputs(c: OpCase): Truth["inputs"] {
  if (lastInputs?.c !== c) lastInputs = { c, inputs: hostInputs(c, "f32") };
  return lastInputs.inputs;
}

let lastSliced: {
  readonly c: OpCase;
  readonly slicing: Slicing;
  readonly yShape: readonly number[];
  readonly expected: OpResult;
} | null = null;

/** What the reference makes of slices of a case whose y has this shape: the last one is kept, as that of `truth` is. */
async function slicedTruth(op: Op, c: OpCase, slicing: Slicing, yShape: readonly number[]): Promise<OpResult> {
  if (lastSliced?.c !== c || lastSliced.slicing !== slicing || `${lastSliced.yShape}` !== `${yShape}`) {
    const indices = someOf(yShape[slicing.output]);
    const sliced = Object.entries(wholeInputs(c)).map(([name, input]) => {
      const axis = slicing.inputs[name];
      return [name, axis === undefined ? input : takeInput(input, axis, indices)];
    });
    const size = yShape.reduce((a, b) => a * b, 1);
    const dy = gradientOf(c, { shape: yShape, size, dtype: "f32" }, 0);
    const dySliced = () => takeInput(dy, slicing.output, indices);
    const expected = await runOp(exact, op, c, Object.fromEntries(sliced), op.differentiable, dySliced);
    lastSliced = { c, slicing, yShape, expected };
  }
  return lastSliced.expected;
}

function sameBits(a: OpResult, b: OpResult): boolean {
  const bytes = (r: OpResult) => [...r.outputs, ...Object.values(r.gradients)].map((v) => v && Buffer.from(v.buffer));
  return bytes(a).every((x, i) => {
    const y = bytes(b)[i];
    return x === y || (x !== null && y !== null && x.equals(y));
  });
}
