import { afterAll, describe, expect, test } from "vitest";
import { gradients } from "../engine/autograd/tape.js";
import type { Device } from "../engine/device/device.js";
import { openDevice } from "../engine/device/open-device.js";
import { attention } from "../engine/ops/attention.js";
import { mul } from "../engine/ops/binary.js";
import { crossEntropy } from "../engine/ops/cross-entropy.js";
import { l2Normalize } from "../engine/ops/l2-normalize.js";
import { layerNorm } from "../engine/ops/layer-norm.js";
import { type Activation, matmul } from "../engine/ops/matmul.js";
import { sum } from "../engine/ops/reduce.js";
import { rmsNorm } from "../engine/ops/rms-norm.js";
import { softmax } from "../engine/ops/softmax.js";
import { scope } from "../engine/scope.js";
import { fromHost, setRequiresGrad, type Tensor } from "../engine/tensor.js";
import { tryOpen } from "./support/devices.js";

/** What PyTorch makes of NaN and infinity in the ops that reduce: a row that holds one must not look healthy. */
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu", { threads: 2 }), await tryOpen("webgpu"), await tryOpen("cuda")].flatMap(
  ({ device }) => device ?? [],
);
const devices = [reference, ...opened].map((device): [string, Device] => [device.name, device]);
afterAll(() => {
  for (const [, device] of devices) device.close();
});

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;
const ramp = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 0.7));
const upload = (device: Device, values: Iterable<number>, shape: readonly number[]) =>
  fromHost(device, Float32Array.from(values), shape, "f32");

async function run(f: () => Tensor | readonly Tensor[]): Promise<number[][]> {
  const made = scope(() => [f()].flat() as Tensor[]);
  const out = await Promise.all(made.map(async (t) => Array.from(await t.data())));
  for (const t of made) t.dispose();
  return out;
}

/** Gradients of Σ dy y. */
const backward = (y: Tensor, dy: Iterable<number>, ...leaves: Tensor[]) =>
  gradients(sum(mul(y, upload(y.device, dy, y.shape))), leaves) as Tensor[];

/** Which of the rows of `width` are NaN throughout, and that the others are not at all. */
function nanRows(values: readonly number[], width: number): number[] {
  const rows: number[] = [];
  for (let r = 0; r * width < values.length; r++) {
    const nans = values.slice(r * width, (r + 1) * width).filter(Number.isNaN).length;
    if (nans === width) rows.push(r);
    else expect(nans, `row ${r} is NaN in part`).toBe(0);
  }
  return rows;
}

describe.each(devices)("attention on %s", (_name, device) => {
  const D = 8;
  const S = 150;
  /** y and the gradients of q, k and v, of one head; `poison` changes the inputs first. */
  const attend = (L: number, poison: (q: Float32Array, k: Float32Array, v: Float32Array) => void) => {
    const [q, k, v] = [ramp(L * D), ramp(S * D).reverse(), ramp(S * D).map((x) => x * x)];
    poison(q, k, v);
    return run(() => {
      const [tq, tk, tv] = [q, k, v].map((x) => setRequiresGrad(upload(device, x, [1, x.length / D, 1, D])));
      const y = attention(tq, tk, tv);
      return [y, ...backward(y, ramp(L * D), tq, tk, tv)];
    });
  };
  const all = (n: number) => Array.from({ length: n }, (_, i) => i);

  // Up to 4 rows go to the kernel for decoding; 70 are two blocks of queries, 150 keys two blocks and two cells of keys.
  test.each([1, 3, 70])("NaN in one of %d queries makes its row NaN, and no other", async (L) => {
    const row = L - 1;
    const [y, dq, dk, dv] = await attend(L, (q) => q.fill(NAN, row * D + 2, row * D + 3));
    expect(nanRows(y, D)).toEqual([row]);
    expect(nanRows(dq, D)).toEqual([row]);
    expect(nanRows(dk, D)).toEqual(all(S));
    expect(nanRows(dv, D)).toEqual(all(S));
  });

  test.each([1, 70])("NaN in a key makes all of %d queries NaN", async (L) => {
    for (const key of [0, 77, S - 1]) {
      const [y, , , dv] = await attend(L, (_, k) => k.fill(NAN, key * D, key * D + 1));
      expect(nanRows(y, D)).toEqual(all(L));
      expect(nanRows(dv, D)).toEqual(all(S));
    }
  });

  test.each([1, 70])("any NaN is one: the bits of %d queries do not matter", async (L) => {
    for (const bits of [0x7f800001, 0x7fffffff, 0xffffffff, 0xffc00000]) {
      const [y] = await attend(L, (q) => new Uint32Array(q.buffer).fill(bits, 0, 1));
      expect(nanRows(y, D)).toEqual([0]);
    }
  });

  test.each([1, 70])("an infinite score makes the row NaN, of %d queries", async (L) => {
    const [y] = await attend(L, (q, k) => {
      q.fill(0, 0, D).fill(INF, 0, 1);
      for (let s = 0; s < S; s++) k[s * D] = 1 + s / S;
    });
    expect(nanRows(y, D)).toEqual([0]);
  });

  test.each([1, 70])("a score of minus infinity hides its key from %d queries", async (L) => {
    const poison = (value: number) => (q: Float32Array, k: Float32Array) => {
      for (let l = 0; l < L; l++) q[l * D] = -1;
      k[77 * D] = value;
    };
    const [[y], [expected]] = await Promise.all([attend(L, poison(INF)), attend(L, poison(1e6))]);
    y.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 5);
    });
  });
});

describe.each(devices)("%s", (_name, device) => {
  const C = 37;
  /** Rows: ordinary, with NaN, with +infinity, with -infinity. */
  const rows = () => {
    const x = ramp(4 * C);
    [NAN, INF, -INF].forEach((value, r) => {
      x[(r + 1) * C + 20 + r] = value;
    });
    return upload(device, x, [4, C]);
  };

  test("softmax", async () => {
    const [y] = await run(() => softmax(rows()));
    expect(nanRows(y, C)).toEqual([1, 2]);
    expect(y[3 * C + 22]).toBe(0);
    const [nothing] = await run(() => softmax(upload(device, [-INF, -INF], [1, 2])));
    expect(nothing).toEqual([NAN, NAN]);
    const [dx] = await run(() => {
      const x = setRequiresGrad(rows());
      return backward(softmax(x), ramp(4 * C), x);
    });
    expect(nanRows(dx, C)).toEqual([1, 2]);
  });

  test("crossEntropy", async () => {
    const classes = (...ids: number[]) => fromHost(device, Int32Array.from(ids), [ids.length], "i32");
    const [loss, dlogits] = await run(() => {
      const x = setRequiresGrad(rows());
      const y = crossEntropy(x, classes(3, 3, 3, 3), { reduction: "none" });
      return [y, ...backward(y, [1, 1, 1, 1], x)];
    });
    expect(loss.map(Number.isNaN)).toEqual([false, true, true, false]);
    expect(nanRows(dlogits, C)).toEqual([1, 2]);
    const [mean] = await run(() => crossEntropy(rows(), classes(3, 3, 3, 3)));
    expect(mean).toEqual([NAN]);
    const [missed] = await run(() => crossEntropy(upload(device, [0, -INF], [1, 2]), classes(1)));
    expect(missed).toEqual([INF]);
  });

  test("layerNorm and rmsNorm", async () => {
    const weight = () => upload(device, ramp(C).fill(1), [C]);
    const [layer, rms, l2] = await run(() => [
      layerNorm(rows(), weight(), upload(device, ramp(C), [C])),
      rmsNorm(rows(), weight()),
      l2Normalize(rows()),
    ]);
    expect(nanRows(layer, C)).toEqual([1, 2, 3]);
    // Infinity divides the others to 0, and is infinity times 0 itself.
    for (const y of [rms, l2]) {
      expect(nanRows(y.slice(0, 2 * C), C)).toEqual([1]);
      for (const [row, at] of [
        [2, 21],
        [3, 22],
      ] as const)
        expect(
          y.slice(row * C, (row + 1) * C).flatMap((v, i) => (Number.isNaN(v) ? [i] : v === 0 ? [] : [-1])),
        ).toEqual([at]);
    }
  });
});

describe.each(opened)("the activation of a product on $name", (device) => {
  const FAR = [0.5, NAN, INF, -INF, 3e38, -3e38, 1e30, -1e30, -40, 0, -0.5, 1];
  /** act(x) and its gradient, x being the product of a column by one number. */
  const apply = (device: Device, values: readonly number[], activation: Activation) =>
    run(() => {
      const x = setRequiresGrad(upload(device, values, [values.length, 1]));
      const y = matmul(x, upload(device, [1], [1, 1]), { activation });
      return [y, ...backward(y, ramp(values.length).fill(1), x)];
    });

  // 8 rows are not packed, 12 are.
  test.each(["gelu", "geluTanh", "quickGelu", "silu", "tanh", "relu"] as const)("%s", async (activation) => {
    for (const values of [FAR, FAR.slice(0, 8)]) {
      const [got, expected] = await Promise.all([device, reference].map((d) => apply(d, values, activation)));
      const wrong = values.flatMap((x, i) =>
        [0, 1].every((k) => same(got[k][i], expected[k][i]))
          ? []
          : [{ x, got: [got[0][i], got[1][i]], expected: [expected[0][i], expected[1][i]] }],
      );
      expect(wrong).toEqual([]);
    }
  });
});

const same = (got: number, expected: number) =>
  (Number.isNaN(got) && Number.isNaN(expected)) ||
  got === expected ||
  Math.abs(got - expected) <= 1e-6 * Math.max(1e-3, Math.abs(expected));
