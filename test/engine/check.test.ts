import { describe, expect, test } from "vitest";
import { noGrad } from "../../engine/autograd/recording.js";
import { openDevice } from "../../engine/device/open-device.js";
import {
  type CaseTable,
  CheckError,
  checkGradients,
  checkOp,
  defineOp,
  float,
  foldGrid,
  pass,
  read,
  wgsl,
  write,
} from "../../engine/extend.js";
import { mul } from "../../engine/ops/binary.js";
import { linear } from "../../engine/ops/matmul.js";
import { sum } from "../../engine/ops/reduce.js";
import { scale, square, tanh } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { grid, reduce } from "../../engine/wgsl.js";
import { tryOpen } from "../support/devices.js";

const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error) => {
      expect(error).toBeInstanceOf(CheckError);
      return error.message as string;
    },
  );

describe("checkGradients", () => {
  test("passes what is right", async () => {
    await checkGradients(({ x, w, b }) => tanh(linear(x, w, b)), { x: [5, 3], w: [2, 3], b: [2] });
    await checkGradients(({ x }) => [square(x), scale(x, 3)], { x: { shape: [7], fill: "positive" } });
  });

  test("names what is wrong, and what is missing", async () => {
    const wrong = defineOp({
      name: "wrong",
      inputs: { x: float("...") },
      forward: ({ x }, _options: object) => ({ y: square(x), saves: { x } }),
      gradient: ({ x }, dy) => ({ x: scale(mul(dy, x), 3) }),
    });
    expect(await failure(checkGradients(({ x, w }) => mul(wrong({ x }, {}), w), { x: [4], w: [4] }))).toMatch(
      /^checkGradients: dx: along a random direction the difference is -?[\d.]+, the gradient -?[\d.]+$/,
    );
    const detached = ({ x, w }: { x: Tensor; w: Tensor }) =>
      mul(
        x,
        noGrad(() => square(w)),
      );
    expect(await failure(checkGradients(detached, { x: [4], w: [4] }))).toBe(
      "checkGradients: dw: there is none. Say why in noGradient, or let the gradient give it.",
    );
  });
});

test("an op made of other ops: its own gradient stands for theirs, and nothing stays behind", async () => {
  using device = await openDevice("reference");
  const doubled = defineOp({
    name: "doubled",
    inputs: { x: float("...") },
    forward: ({ x }, _options: object) => ({ y: square(scale(x, 2)), saves: { x } }),
    gradient: ({ x }, dy) => ({ x: mul(dy, scale(x, 100)) }),
  });
  using x = tensor([1, 2], { device, requiresGrad: true });
  const before = device.memory().allocations;
  scope(() => {
    const y = doubled({ x }, {});
    expect(y.node?.name).toBe("doubled");
    sum(y).backward();
  });
  expect(await x.grad?.data()).toEqual(Float32Array.of(100, 200));
  expect(device.memory().allocations).toBe(before + 1);
});

/** y[t] = factor Σ_c x[t,c] in WGSL, Σ_c x[t,c] in the reference. */
const rowSum = (factor: number) => {
  const text = `
    @group(0) @binding(0) var<storage, read> x: array<value>;
    @group(0) @binding(1) var<storage, read_write> y: array<value>;
    @group(0) @binding(2) var<uniform> params: vec2<u32>;

    @compute @workgroup_size(WORKGROUP)
    fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
      let t = folded_index(group, groups);
      if (t >= params.x) { return; }
      var sum = 0.0;
      for (var c = lane; c < params.y; c += WORKGROUP) { sum += f32(x[t * params.y + c]); }
      let whole = workgroup_sum(sum, lane);
      if (lane == 0u) { y[t] = value(${factor.toFixed(1)} * whole); }
    }`;
  const forward = pass({
    label: "row-sum/forward",
    buffers: { x: read("T C"), y: write("T") },
    params: { T: "u32", C: "u32" },
    reference: ({ x, y }, { T, C }) => {
      y.fill(0, 0, T);
      for (let i = 0; i < T * C; i++) y[Math.floor(i / C)] += x[i];
    },
    webgpu: {
      dtypes: ["f32", "f16"],
      launches: [
        { source: wgsl(text, [grid, reduce]), tiles: () => ({ WORKGROUP: 32 }), grid: ({ T }) => foldGrid(T) },
      ],
    },
  });
  return defineOp({
    name: "rowSum",
    inputs: { x: float("T", "C") },
    forward: ({ x }, _options: object, { dims: { T, C }, run }) => run(forward, { x, y: [T] }, { T, C }),
  });
};

describe("checkOp", async () => {
  const { device, reason } = await tryOpen("webgpu", { debug: true });
  const table: CaseTable = {
    op: "rowSum",
    tolerance: { f32: 1e-6, bf16: 1e-2, f16: 1e-2 },
    reason: "sums of some hundred terms",
    cases: [
      { name: "no row", inputs: { x: [0, 4] } },
      { name: "rows longer than a workgroup", inputs: { x: [3, 100] }, dtypes: ["f32", "bf16"] },
    ],
  };

  test.skipIf(!device)(`plain WGSL with the package's common parts passes ${reason}`, async () => {
    expect(await checkOp(rowSum(1), table, [device as NonNullable<typeof device>])).toEqual([
      "no row: webgpu f32",
      "rows longer than a workgroup: webgpu f32",
    ]);
  });

  test.skipIf(!device)(`a wrong kernel is named with its case and the worst element ${reason}`, async () => {
    const text = await failure(checkOp(rowSum(2), table, [device as NonNullable<typeof device>]));
    expect(text).toMatch(
      /^rowSum: 1 of 2 checks failed:\n {2}rows longer than a workgroup: webgpu f32: output 0: 3 of 3 elements differ by more than 0\.000001 \* [\d.]+; worst at \d: got /,
    );
    device?.close();
  });
});
