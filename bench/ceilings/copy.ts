import { run } from "../../engine/dispatch/run.js";
import { type Device, scope, slice, type Tensor } from "../../engine/index.js";
import { copy } from "../../kernels/ceiling/kernels.js";
import { range } from "../../kernels/fill/kernels.js";
import { fastestCall, type Limits } from "./fastest-call.js";

/** Elements that are looked at, at either end. */
const CHECKED = 1024;

/** Bytes read and written a second by a copy of `n` values of f32. */
export async function copyRate(device: Device, n: number, limits: Limits): Promise<number> {
  const { y: x } = run(device, range, { y: [n] }, { n, start: 0, step: 1 });
  const { y } = run(device, copy, { x, y: [n] }, { n });
  try {
    const seconds = await fastestCall(device, () => void run(device, copy, { x, y }, { n }), limits);
    const length = Math.min(CHECKED, n);
    for (const start of [0, n - length]) {
      const [from, to] = [await part(x, start, length), await part(y, start, length)];
      if (from.some((value, i) => to[i] !== value)) throw new Error("ceilings: the copy is not what it was made from");
    }
    return (8 * n) / seconds;
  } finally {
    x.dispose();
    y.dispose();
  }
}

async function part(t: Tensor, start: number, length: number): Promise<Float32Array> {
  const taken = scope(() => slice(t, { dim: 0, start, length }));
  const values = (await taken.data()) as Float32Array;
  taken.dispose();
  return values;
}
