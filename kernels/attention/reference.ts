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

/**
 * The keys that one query of one head sees, by place in arrays that the next query takes over: its own keys' rows in `k` and `v`,
 * or those of the prefix, and what dropout makes of each weight: 0 or 1/(1-p).
 */
class Seen {
  count = 0;
  /** Whether the key is one of the sequence; else of the prefix. */
  readonly own: Uint8Array;
  readonly k: Int32Array;
  readonly v: Int32Array;
  readonly survives: Float64Array;

  constructor(keys: number) {
    this.own = new Uint8Array(keys);
    this.k = new Int32Array(keys);
    this.v = new Int32Array(keys);
    this.survives = new Float64Array(keys);
  }

  add(own: boolean, k: number, v: number, survives: number): void {
    const n = this.count++;
    this.own[n] = own ? 1 : 0;
    this.k[n] = k;
    this.v[n] = v;
    this.survives[n] = survives;
  }
}

/** Calls `visit` for each query of each head: where its row is in q, in y and in lse, and the keys that it sees. */
function eachQuery(b: Inputs, p: Sizes, visit: (q: number, y: number, lse: number, seen: Seen) => void): void {
  const { B, L, S, H, G, D, P } = p;
  const seen = new Seen(P + S);
  const hasPrefix = b.prefixKeys !== null && b.prefixValues !== null;
  for (let batch = 0; batch < B; batch++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < L; i++) {
        const g = Math.floor(h / (H / G));
        const index = (batch * H + h) * L + i;
        seen.count = 0;
        for (let j = 0; j < P + S; j++) {
          const s = j - P;
          const own = s >= 0;
          if (own && p.hasMask && !b.mask?.[batch * p.kvCapacity + s]) continue;
          if (own && p.causal && s > i + S - L) continue;
          const at = (batch * p.kvCapacity + s) * p.kvPitch + g * D;
          const row = (j * G + g) * D;
          const survives = factor(b.random, p, index * (P + S) + j);
          if (own) seen.add(own, p.kOffset + at, p.vOffset + at, survives);
          else if (hasPrefix) seen.add(own, row, row, survives);
        }
        visit(p.qOffset + (batch * L + i) * p.qPitch + h * D, ((batch * L + i) * H + h) * D, index, seen);
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
  const { D } = p;
  const scores = new Float64Array(p.P + p.S);
  const y = new Float64Array(D);
  eachQuery(b, p, (qRow, yRow, lseRow, { count, own, k, v, survives }) => {
    let max = -Infinity;
    for (let n = 0; n < count; n++) {
      scores[n] = p.scale * dot(b.q, qRow, own[n] ? b.k : (b.prefixKeys as NumberArray), k[n], D);
      max = Math.max(max, scores[n]);
    }
    // A score of -∞ hides its key; where all do, the query sees none.
    const seesNone = max === -Infinity;
    let sum = 0;
    if (!seesNone) for (let n = 0; n < count; n++) sum += Math.exp(scores[n] - max);
    y.fill(0);
    for (let n = 0; n < count && !seesNone; n++) {
      const values = own[n] ? b.v : (b.prefixValues as NumberArray);
      const weight = (Math.exp(scores[n] - max) / sum) * survives[n];
      for (let d = 0; d < D; d++) y[d] += weight * values[v[n] + d];
    }
    for (let d = 0; d < D; d++) b.y[yRow + d] = y[d];
    b.lse[lseRow] = seesNone ? NO_KEYS : max + Math.log(sum);
  });
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

  const { B, L, S, H, G, D } = p;
  eachQuery(b, p, (qRow, yRow, lseRow, { count, own, k, v, survives }) => {
    const delta = dot(b.dy, yRow, b.y, yRow, D);
    for (let n = 0; n < count; n++) {
      const keys = own[n] ? b.k : (b.prefixKeys as NumberArray);
      const values = own[n] ? b.v : (b.prefixValues as NumberArray);
      const dkeys = own[n] ? dk : dprefixKeys;
      const dvalues = own[n] ? dv : dprefixValues;
      const [kRow, vRow] = [k[n], v[n]];
      const weight = Math.exp(p.scale * dot(b.q, qRow, keys, kRow, D) - b.lse[lseRow]);
      const dweight = survives[n] * dot(b.dy, yRow, values, vRow, D);
      const dscore = p.scale * weight * (dweight - delta);
      for (let d = 0; d < D; d++) {
        dq[qRow + d] += dscore * keys[kRow + d];
        dkeys[kRow + d] += dscore * b.q[qRow + d];
        dvalues[vRow + d] += weight * survives[n] * b.dy[yRow + d];
      }
    }
  });

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
