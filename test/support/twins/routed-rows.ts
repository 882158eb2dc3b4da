import {
  add,
  concat,
  type Device,
  indexSelect,
  matmul,
  mul,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../../../engine/index.js";
import { listPlaces } from "../../../kernels/top-k-routing/lists.js";
import type { Host } from "./twin.js";

/** What the lists of a case say, read on the host. */
interface Routes {
  readonly offsets: readonly number[];
  /** Choices of the rows kept. */
  readonly order: readonly number[];
  /** Rows of the choices, -1 where dropped. */
  readonly position: readonly number[];
  readonly R: number;
  readonly K: number;
}

export function recordOf({ lists }: Host, [T, K]: readonly number[]): Routes {
  const R = T * K;
  const values = Array.from(lists.values);
  const alone = (values.length - 1 - 3 * R) % 2 !== 0 || values.length < 1 + 3 * R;
  const E = alone ? values.length - 1 : (values.length - 1 - 3 * R) / 2;
  const places = listPlaces(E, R);
  const offsets = values.slice(0, E + 1);
  return {
    offsets,
    order: values.slice(places.order, places.order + offsets[E]),
    position: values.slice(places.position, places.position + R),
    R,
    K,
  };
}

const indices = (device: Device, values: readonly number[]) => tensor(Int32Array.from(values), { device });

/** Zeros where there is no row any more. */
const padded = (x: Tensor, rows: number) =>
  concat([x, zeros([rows - x.shape[0], x.shape[1]], { device: x.device })], 0);

export const gathered = (x: Tensor, { order, R, K }: Routes) =>
  padded(
    indexSelect(
      x,
      0,
      indices(
        x.device,
        order.map((choice) => Math.floor(choice / K)),
      ),
    ),
    R,
  );

/** Expert by expert. */
export function stacked(x: Tensor, weight: Tensor, bias: Tensor | undefined, { offsets }: Routes, transposeB: boolean) {
  const [E, A, B] = weight.shape;
  const part = (t: Tensor, e: number) => slice(t, { dim: 0, start: e, length: 1 });
  const products = Array.from({ length: E }, (_, e) => {
    const rows = slice(x, { dim: 0, start: offsets[e], length: offsets[e + 1] - offsets[e] });
    const y = matmul(rows, reshape(part(weight, e), [A, B]), { transposeB });
    return bias ? add(y, part(bias, e)) : y;
  });
  return padded(concat(products, 0), x.shape[0]);
}

export function combined(x: Tensor, weights: Tensor, { position, K }: Routes, { device }: Tensor) {
  const [T] = weights.shape;
  const rows = indexSelect(
    x,
    0,
    indices(
      device,
      position.map((row) => Math.max(0, row)),
    ),
  );
  const kept = tensor(
    Float32Array.from(position, (row) => (row < 0 ? 0 : 1)),
    { device, shape: [T, K] },
  );
  const factors = reshape(mul(weights, kept), [T, K, 1]);
  return sum(mul(reshape(rows, [T, K, x.shape[1]]), factors), { dim: 1 });
}
