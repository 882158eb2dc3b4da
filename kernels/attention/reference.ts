import { philox, uniform } from "../common/philox.js";
import type { NumberArray } from "../contract.js";

type Sizes = {
  B: number;
  L: number;
  S: number;
  H: number;
  G: number;
  D: number;
  P: number;
  causal: number;
  scale: number;
  dropout: number;
  sequence: number;
  hasMask: number;
  hasPrefix: number;
  qPitch: number;
  kvPitch: number;
  qOffset: number;
  kOffset: number;
  vOffset: number;
  kvCapacity: number;
};

type Inputs = {
  q: NumberArray;
  k: NumberArray;
  v: NumberArray;
  mask: NumberArray | null;
  prefixKeys: NumberArray | null;
  prefixValues: NumberArray | null;
  random: NumberArray;
};

/** `lse` of a query that sees no key. */
export const NO_KEYS = 1e30;

/** One query of one head: where its row is, which keys it sees, and what dropout makes of each weight: 0 or 1/(1-p). */
type Row = {
  q: number;
  y: number;
  lse: number;
  keys: { keys: NumberArray; values: NumberArray; k: number; v: number; own: boolean; survives: number }[];
};

function* queries(b: Inputs, p: Sizes): Generator<Row> {
  const { B, L, S, H, G, D, P } = p;
  for (let batch = 0; batch < B; batch++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < L; i++) {
        const g = Math.floor(h / (H / G));
        const index = (batch * H + h) * L + i;
        const keys: Row["keys"] = [];
        for (let j = 0; j < P + S; j++) {
          const s = j - P;
          if (s >= 0 && p.hasMask && !b.mask?.[batch * p.kvCapacity + s]) continue;
          if (s >= 0 && p.causal && s > i + S - L) continue;
          const survives = factor(b.random, p, index * (P + S) + j);
          const at = (batch * p.kvCapacity + s) * p.kvPitch + g * D;
          const own = s >= 0;
          if (own) keys.push({ keys: b.k, values: b.v, k: p.kOffset + at, v: p.vOffset + at, own, survives });
          else if (b.prefixKeys && b.prefixValues) {
            const row = (j * G + g) * D;
            keys.push({ keys: b.prefixKeys, values: b.prefixValues, k: row, v: row, own, survives });
          }
        }
        yield {
          q: p.qOffset + (batch * L + i) * p.qPitch + h * D,
          y: ((batch * L + i) * H + h) * D,
          lse: index,
          keys,
        };
      }
}

function factor(random: NumberArray, { dropout, sequence }: Sizes, position: number): number {
  if (dropout === 0) return 1;
  return uniform(philox(random, sequence, position)) >= dropout ? 1 / (1 - dropout) : 0;
}

function dot(a: NumberArray, i: number, b: NumberArray, j: number, D: number): number {
  let sum = 0;
  for (let d = 0; d < D; d++) sum += a[i + d] * b[j + d];
  return sum;
}

export function forward(b: Inputs & { y: NumberArray; lse: NumberArray }, p: Sizes): void {
  for (const row of queries(b, p)) {
    const scores = row.keys.map((key) => p.scale * dot(b.q, row.q, key.keys, key.k, p.D));
    const max = scores.reduce((a, s) => Math.max(a, s), -Infinity);
    // A score of -∞ hides its key; where all do, the query sees none.
    const seesNone = max === -Infinity;
    const sum = seesNone ? Infinity : scores.reduce((a, s) => a + Math.exp(s - max), 0);
    const y = new Float64Array(p.D);
    if (!seesNone)
      row.keys.forEach(({ values, v, survives }, n) => {
        const weight = (Math.exp(scores[n] - max) / sum) * survives;
        for (let d = 0; d < p.D; d++) y[d] += weight * values[v + d];
      });
    for (let d = 0; d < p.D; d++) b.y[row.y + d] = y[d];
    b.lse[row.lse] = seesNone ? NO_KEYS : max + Math.log(sum);
  }
}

export function backward(
  b: Inputs & {
    dy: NumberArray;
    y: NumberArray;
    lse: NumberArray;
    dq: NumberArray;
    dk: NumberArray;
    dv: NumberArray;
    dprefixKeys: NumberArray | null;
    dprefixValues: NumberArray | null;
  },
  p: Sizes,
): void {
  // Sums run in float64 and are stored once: the outputs may be of a narrower type.
  const dq = new Float64Array(b.dq.length);
  const dk = new Float64Array(b.dk.length);
  const dv = new Float64Array(b.dv.length);
  const dprefixKeys = new Float64Array(b.dprefixKeys?.length ?? 0);
  const dprefixValues = new Float64Array(b.dprefixValues?.length ?? 0);

  for (const row of queries(b, p)) {
    const delta = dot(b.dy, row.y, b.y, row.y, p.D);
    for (const { keys, values, k, v, own, survives } of row.keys) {
      const weight = Math.exp(p.scale * dot(b.q, row.q, keys, k, p.D) - b.lse[row.lse]);
      const dweight = survives * dot(b.dy, row.y, values, v, p.D);
      const dscore = p.scale * weight * (dweight - delta);
      const dkeys = own ? dk : dprefixKeys;
      const dvalues = own ? dv : dprefixValues;
      for (let d = 0; d < p.D; d++) {
        dq[row.q + d] += dscore * keys[k + d];
        dkeys[k + d] += dscore * b.q[row.q + d];
        dvalues[v + d] += weight * survives * b.dy[row.y + d];
      }
    }
  }

  const { B, L, S, H, G, D } = p;
  for (let t = 0; t < B * L; t++) copy(b.dq, dq, p.qOffset + t * p.qPitch, H * D);
  for (let batch = 0; batch < B; batch++)
    for (let s = 0; s < S; s++) {
      const at = (batch * p.kvCapacity + s) * p.kvPitch;
      copy(b.dk, dk, p.kOffset + at, G * D);
      copy(b.dv, dv, p.vOffset + at, G * D);
    }
  if (b.dprefixKeys) copy(b.dprefixKeys, dprefixKeys, 0, p.P * G * D);
  if (b.dprefixValues) copy(b.dprefixValues, dprefixValues, 0, p.P * G * D);
}

/** Only what a pass owns: slices of one packed buffer are written by one call, each by its own part. */
function copy(to: NumberArray, from: Float64Array, start: number, length: number): void {
  for (let i = start; i < start + length; i++) to[i] = from[i];
}
