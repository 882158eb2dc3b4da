import type { NumberArray } from "../contract.js";
import { activate } from "../matmul/reference.js";
import { rowWords } from "./format.js";

const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** Bits of the bf16 nearest to v, ties to even. */
function toBf16(v: number): number {
  single[0] = v;
  return (word[0] + 0x7fff + ((word[0] >>> 16) & 1)) >>> 16;
}

function fromBf16(bits: number): number {
  word[0] = bits << 16;
  return single[0];
}

function roundToEven(v: number): number {
  const down = Math.floor(v);
  const rest = v - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/** The scale of a group, as bf16. In single precision like the kernels, so that integers agree to the last. */
function scaleOf(group: ArrayLike<number>, bits: number): number {
  let largest = 0;
  for (let i = 0; i < group.length; i++) if (Math.abs(group[i]) > Math.abs(largest)) largest = group[i];
  return toBf16(bits === 4 ? largest / -8 : Math.fround(Math.abs(largest) / 127));
}

export function quantize(
  b: { weight: NumberArray; y: NumberArray },
  { N, K, bits, group }: { N: number; K: number; bits: number; group: number },
): void {
  const W = rowWords(K, bits, group);
  const least = bits === 4 ? -8 : -127;
  const most = bits === 4 ? 7 : 127;
  b.y.fill(0, 0, N * W);
  for (let n = 0; n < N; n++)
    for (let g = 0; g < K / group; g++) {
      const start = n * K + g * group;
      const scale = scaleOf(Array.from(b.weight.slice(start, start + group)), bits);
      const inverse = fromBf16(scale) === 0 ? 0 : Math.fround(1 / fromBf16(scale));
      for (let i = 0; i < group; i++) {
        const q = Math.min(most, Math.max(least, roundToEven(Math.fround(b.weight[start + i] * inverse))));
        const bit = (g * group + i) * bits;
        const at = n * W + Math.floor(bit / 32);
        b.y[at] = (b.y[at] | ((q & ((1 << bits) - 1)) << (bit % 32))) >>> 0;
      }
      const at = n * W + (K * bits) / 32 + (g >> 1);
      b.y[at] = (b.y[at] | (scale << (16 * (g & 1)))) >>> 0;
    }
}

/** Element (row, k) of a quantised matrix. */
export function element(words: NumberArray, row: number, k: number, p: { K: number; bits: number; group: number }) {
  const { K, bits, group } = p;
  const start = row * rowWords(K, bits, group);
  const bit = k * bits;
  const q = (words[start + Math.floor(bit / 32)] << (32 - bits - (bit % 32))) >> (32 - bits);
  const g = Math.floor(k / group);
  return q * fromBf16((words[start + (K * bits) / 32 + (g >> 1)] >>> (16 * (g & 1))) & 0xffff);
}

interface Sizes {
  R: number;
  E: number;
  N: number;
  K: number;
  bits: number;
  group: number;
  gather: number;
  grouped: number;
}

/** [expert, row of y, row of x] for each row that has an expert; without groups all rows belong to the one matrix. */
function* rowsOf(lists: NumberArray | null, { R, E, gather }: Sizes): Generator<[number, number, number]> {
  if (!lists) for (let r = 0; r < R; r++) yield [0, r, r];
  else
    for (let e = 0; e < E; e++)
      for (let r = lists[e]; r < lists[e + 1]; r++)
        yield [e, r, gather ? Math.floor(lists[2 * E + 1 + r] / gather) : r];
}

export function forward(
  b: { x: NumberArray; weight: NumberArray; bias: NumberArray | null; lists: NumberArray | null; y: NumberArray },
  p: Sizes & { activation: number },
): void {
  const { R, N, K } = p;
  b.y.fill(0, 0, R * N);
  for (const [e, r, t] of rowsOf(b.lists, p))
    for (let n = 0; n < N; n++) {
      let sum = b.bias ? b.bias[e * N + n] : 0;
      for (let k = 0; k < K; k++) sum += b.x[t * K + k] * element(b.weight, e * N + n, k, p);
      b.y[r * N + n] = activate(p.activation, sum);
    }
}

export function backwardInput(
  b: { dy: NumberArray; weight: NumberArray; lists: NumberArray | null; dx: NumberArray },
  p: Omit<Sizes, "gather">,
): void {
  const { R, N, K } = p;
  b.dx.fill(0, 0, R * K);
  for (const [e, r] of rowsOf(b.lists, { ...p, gather: 0 }))
    for (let k = 0; k < K; k++) {
      let sum = 0;
      for (let n = 0; n < N; n++) sum += b.dy[r * N + n] * element(b.weight, e * N + n, k, p);
      b.dx[r * K + k] = sum;
    }
}
