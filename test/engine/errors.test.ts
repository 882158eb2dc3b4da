import { afterAll, describe, expect, test } from "vitest";
import { BindingTooLarge, KernelMissing, TooLarge, WebGpuError } from "../../bindings/errors.js";
import { bindingError } from "../../engine/device/binding-error.js";
import type { Device } from "../../engine/device/device.js";
import { openDevice } from "../../engine/device/open-device.js";
import { run } from "../../engine/dispatch/run.js";
import {
  DeviceError,
  DisposedError,
  DTypeError,
  FaultError,
  GradientError,
  KernelError,
  OutOfMemoryError,
  ShapeError,
} from "../../engine/errors.js";
import { Embedding, Initializer, Linear, Module, namePaths } from "../../engine/nn/index.js";
import { add } from "../../engine/ops/binary.js";
import { cast } from "../../engine/ops/cast.js";
import { embedding } from "../../engine/ops/embedding.js";
import { layerNorm } from "../../engine/ops/layer-norm.js";
import { matmul } from "../../engine/ops/matmul.js";
import { reshape } from "../../engine/ops/reshape.js";
import { square } from "../../engine/ops/unary.js";
import { writeRows } from "../../engine/ops/write-rows.js";
import { scope } from "../../engine/scope.js";
import { fromHost, setRequiresGrad, type Tensor, tensor } from "../../engine/tensor.js";
import { pass, read, write } from "../../kernels/contract.js";
import { tryOpen } from "../support/devices.js";

const filled = (device: Device, shape: number[], dtype: "f32" | "bf16" | "i32" = "f32") =>
  fromHost(device, new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, dtype);

/** Checks are the engine's: one device shows them all. */
describe("checks", async () => {
  const device = await openDevice("reference");
  const other = await openDevice("reference");
  afterAll(() => {
    device.close();
    other.close();
  });
  const zero = (...shape: number[]) => filled(device, shape);

  const cases: [string, () => unknown, Error][] = [
    [
      "letters that disagree",
      () => layerNorm(zero(2, 8), zero(7), zero(7)),
      new ShapeError("layerNorm: x [2, C=8] and weight [C=7] and bias [C=7] do not fit: C must be equal."),
    ],
    [
      "rank",
      () => embedding(zero(3), filled(device, [2], "i32")),
      new ShapeError("embedding: weight [3] has 1 dimensions; [V, C] is needed."),
    ],
    [
      "inner sizes",
      () => matmul(zero(2, 3), zero(4, 5)),
      new ShapeError("matmul: inner sizes differ: a [2, 3] has K=3, b [4, 5] has K=4; K must be equal."),
    ],
    [
      "broadcast",
      () => add(zero(2, 3), zero(2)),
      new ShapeError("add: shapes [2, 3] and [2] do not broadcast: sizes 3 and 2 differ, neither is 1."),
    ],
    [
      "reshape",
      () => reshape(zero(2, 3), [4]),
      new ShapeError("reshape: 6 elements of shape [2, 3] do not fill shape [4]."),
    ],
    [
      "a size that is no size",
      () => tensor([1], { device, shape: [-1] }),
      new ShapeError("tensor: shape [-1] must hold whole numbers from 0 on."),
    ],
    [
      "ragged rows",
      () => tensor([[1, 2], [3]], { device }),
      new ShapeError("tensor: nested arrays are ragged: rows of shape [2] and [1]."),
    ],
    [
      "values that do not fill",
      () => tensor(new Float32Array(3), { device, shape: [2] }),
      new ShapeError("tensor: 3 values do not fill shape [2]."),
    ],
    ["write", () => zero(2).write([1]), new ShapeError("write: Tensor f32 [2] reference holds 2 elements, got 1.")],
    [
      "integers for a floating type",
      () => square(filled(device, [2], "i32")),
      new DTypeError("square: x [2] is i32; a floating type is needed. Use cast()."),
    ],
    [
      "a floating type for integers",
      () => embedding(zero(3, 2), zero(2)),
      new DTypeError("embedding: ids [2] is f32; i32 is needed. Use cast()."),
    ],
    [
      "two floating types",
      () => add(zero(2), filled(device, [2], "bf16")),
      new DTypeError('elementwise/binary: b is bf16 but a is f32. Cast one of them: cast(x, "f32").'),
    ],
    [
      "no Tensor",
      () => square([1] as never),
      new DTypeError("square: x is not a Tensor. Make one with tensor(values, { device })."),
    ],
    [
      "missing",
      () => layerNorm(zero(2, 2), undefined as never, zero(2)),
      new ShapeError("layerNorm: input weight is missing."),
    ],
    [
      "a gradient of integers",
      () => setRequiresGrad(filled(device, [1], "i32")),
      new DTypeError("requiresGrad: Tensor i32 [1] reference holds integers; only floating types have gradients."),
    ],
    [
      "another instance of a device",
      () => add(zero(2), filled(other, [2])),
      new DeviceError("add: b is on reference but a is on reference (another instance). Move it: await b.to(device)."),
    ],
    [
      "a cache that wants a gradient",
      () => writeRows(setRequiresGrad(zero(4, 2)), zero(1, 2), { dim: 0, position: 0 }),
      new GradientError("writeRows: a change in place has no gradient. Run it under noGrad(), or use concat()."),
    ],
  ];
  test.each(cases)("%s", (_title, f, error) => {
    const before = device.memory().allocations;
    expect(() => scope(() => void f())).toThrow(error);
    expect(device.memory().allocations).toBe(before);
  });

  test("a disposed tensor, in an op and on its own", async () => {
    const x = zero(2, 3);
    x.label = "hidden";
    x.dispose();
    const gone = (use: string) =>
      new DisposedError(
        `${use}: Tensor f32 [2, 3] reference "hidden" was disposed. Return it from the scope, or hold it with keep() or ` +
          "using, to use it later.",
      );
    expect(() => square(x)).toThrow(gone("square: x"));
    expect(() => x.write([])).toThrow(gone("write"));
    expect(() => reshape(x, [6])).toThrow(gone("reshape"));
    await expect(x.data()).rejects.toThrow(gone("data"));
  });

  test("item of several elements", async () => {
    using x = zero(2);
    await expect(x.item()).rejects.toThrow(
      new ShapeError("item: Tensor f32 [2] reference has 2 elements, not one. Use data(), or reduce it first."),
    );
  });

  test("the path of the module is in front", () => {
    class Inner extends Module {
      proj = new Linear(new Initializer(device), 3, 2);
      forward(x: Tensor): Tensor {
        return this.proj.forward(x);
      }
    }
    class Outer extends Module {
      blocks = [new Inner(), new Inner()];
    }
    using model = new Outer();
    namePaths(model);
    scope(() => {
      expect(() => model.blocks[1].forward(zero(1, 4))).toThrow(
        new ShapeError(
          'Linear "blocks.1.proj": matmul: inner sizes differ: a [1, 4] has K=4, b [2, 3]ᵀ has K=3; K must be equal.',
        ),
      );
    });
  });

  test("a closed device", async () => {
    const closed = await openDevice("reference");
    const x = tensor([1], { device: closed });
    closed.close();
    closed.close();
    await expect(x.data()).rejects.toThrow(
      new DeviceError("read: the reference device is closed. Read before close()."),
    );
    expect(() => square(x)).toThrow(
      new DeviceError("elementwise/unary: the reference device is closed. Open it again."),
    );
  });
});

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("faults and kernels of %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  test("an index out of range is an error of the next await, which names the op", async () => {
    using weight = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device },
    );
    const ids = (...values: number[]) => tensor(Int32Array.from(values), { device });
    using y = scope(() => embedding(weight, ids(0, 7, -1)));
    const fault =
      /^embedding\/forward: index (7 at position 1|-1 at position 2) is out of range\. It counts as zero\.$/;
    await expect(y.data()).rejects.toThrow(FaultError);
    scope(() => embedding(weight, ids(0, 7, -1)));
    await expect(device.finish()).rejects.toThrow(fault);
    // The device stays usable, and the rows that could be had are there.
    expect([...(await y.data())]).toEqual([1, 2, 0, 0, 0, 0]);
    using right = scope(() => embedding(weight, ids(1)));
    expect([...(await right.data())]).toEqual([3, 4]);
  });

  test("several reads at once each report the fault", async () => {
    using table = new Embedding(new Initializer(device), 2, 2);
    using y = scope(() => table.forward(tensor(Int32Array.of(2), { device })));
    const reads = await Promise.allSettled([y.data(), y.data(), device.finish()]);
    expect(reads.map((r) => r.status)).toEqual(["rejected", "rejected", "rejected"]);
    await device.finish();
  });

  test("another device", async () => {
    using other = await openDevice(name === "cpu" ? "reference" : "cpu");
    using a = filled(device, [2]);
    using b = filled(other, [2]);
    expect(() => add(a, b)).toThrow(
      new DeviceError(`add: b is on ${other.name} but a is on ${name}. Move it: await b.to(device).`),
    );
    using moved = await b.to(device);
    using sum = add(a, moved);
    expect(sum.device).toBe(device);
  });

  if (name === "reference") return;

  test("a pass without a kernel", () => {
    const lonely = pass({
      label: "lonely/forward",
      buffers: { x: read("n"), y: write("n") },
      params: { n: "u32" },
      reference: () => {},
    });
    using x = filled(device, [3]);
    const before = device.memory().allocations;
    expect(() => run(device, lonely, { x, y: [3] }, { n: 3 })).toThrow(
      new KernelError(`lonely/forward: no ${name} kernel for f32. Use another device: see the op table in README.md.`),
    );
    expect(device.memory().allocations).toBe(before);
  });

  test("a pass with kernels for other types only", () => {
    const half = pass({
      label: "half/forward",
      buffers: { x: read("n"), y: write("n") },
      params: { n: "u32" },
      reference: () => {},
      // The symbol of another op: only its name is looked up.
      cpu: { dtypes: ["bf16"], launches: [{ symbol: "elementwise_unary", cells: () => 0 }] },
      webgpu: { dtypes: ["bf16"], launches: [] },
      cuda: { dtypes: ["bf16"], launches: [], library: "none" },
    });
    using x = filled(device, [3]);
    expect(() => run(device, half, { x, y: [3] }, { n: 3 })).toThrow(
      new KernelError(
        `half/forward: no ${name} kernel for f32. There is one for bf16: cast first, or use another device.`,
      ),
    );
    using low = scope(() => cast(x, "bf16"));
    expect(() => run(device, half, { x: low, y: [3] }, { n: 3 }).y.dispose()).not.toThrow();
  });
});

describe("what a binding refuses", () => {
  const copying = pass({
    label: "test/copy",
    buffers: { x: read("n"), y: write("n") },
    params: { n: "u32" },
    reference: () => {},
  });
  test.each([
    [new BindingTooLarge(copying, "x", 4096, 1024), KernelError, /^test\/copy: x would take a binding of 4096 bytes/],
    [new KernelMissing(copying, "webgpu", "f32", [], "a grid of 9"), KernelError, /^test\/copy: a grid of 9$/],
    [new WebGpuError("test/copy", "no registers", "llvm"), KernelError, /^webgpu: test\/copy: no registers\n/],
    [new WebGpuError("an allocation", "no room", "llvm", true), OutOfMemoryError, /^webgpu: an allocation: no room\n/],
    [
      new TooLarge("webgpu", 4096, 1024),
      OutOfMemoryError,
      "webgpu: an allocation of 4096 bytes; this device makes buffers of at most 1024. Use a smaller batch, or the cpu device.",
    ],
  ])("%s is an error of the engine, with its cause", (cause, type, text) => {
    const error = bindingError(cause) as Error;
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(text);
    expect(error.cause).toBe(cause);
  });
});
