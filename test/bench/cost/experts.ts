import { listPlaces } from "../../../kernels/top-k-routing/lists.js";
import type { Counted, Counter, Tally } from "./tally.js";

/** For each kept row: its expert, and the token's choice that it is. Reads the lists whole. */
function rowsOf(lists: Counted, E: number, R: number): { row: number; expert: number; choice: number }[] {
  lists.touch();
  const places = listPlaces(E, R);
  const hasOrder = lists.values.length === places.length;
  const found: { row: number; expert: number; choice: number }[] = [];
  for (let expert = 0; expert < E; expert++)
    for (let row = lists.get(expert); row < lists.get(expert + 1); row++)
      found.push({ row, expert, choice: hasOrder ? lists.get(places.order + row) : row });
  return found;
}

/** y[j] += x[k] w[expert, j, k], for each column of one row. */
function product(
  t: Tally,
  N: number,
  K: number,
  x: (k: number) => number,
  w: (j: number, k: number) => number,
): number[] {
  return Array.from({ length: N }, (_, j) => {
    let sum = 0;
    for (let k = 0; k < K; k++) sum = t.mulAdd(x(k), w(j, k), sum);
    return sum;
  });
}

/** A stack of matrices [E, N, K], or [E, K, N]. */
function stackOf(t: Tally, name: string) {
  const memory = t.input(name);
  const { transposed } = t.options as { transposed?: boolean };
  const [E, a, b] = memory.shape;
  const [N, K] = transposed ? [a, b] : [b, a];
  const place = (e: number, j: number, k: number) => e * N * K + (transposed ? j * K + k : k * N + j);
  const gradient = new Float64Array(memory.values.length);
  return {
    ...{ E, N, K, memory, gradient },
    at: (e: number) => (j: number, k: number) => memory.get(place(e, j, k)),
    /** The gradient of one expert's matrix by a row: dy xᵀ. */
    collect(e: number, dy: (j: number) => number, x: (k: number) => number) {
      for (let j = 0; j < N; j++)
        for (let k = 0; k < K; k++) {
          const i = place(e, j, k);
          gradient[i] = t.mulAdd(dy(j), x(k), gradient[i]);
        }
    },
  };
}

function groupedGemm(t: Tally, isBackward: boolean): void {
  const { gather } = t.options as { gather?: number };
  const [x, weight] = [t.input("x"), stackOf(t, "weight")];
  const { E, N, K } = weight;
  const R = x.shape[0] * (gather ?? 1);
  const rows = rowsOf(t.input("lists"), E, R);
  const y = t.array([R, N]);
  const bias = t.has("bias") && !isBackward ? t.input("bias") : null;
  for (const { row, expert, choice } of rows) {
    const from = (gather ? Math.floor(choice / gather) : row) * K;
    const at = (k: number) => x.get(from + k);
    if (isBackward) {
      const dy = (j: number) => y.get(row * N + j);
      product(t, K, N, dy, (k, j) => weight.at(expert)(j, k));
      weight.collect(expert, dy, at);
      continue;
    }
    product(t, N, K, at, weight.at(expert)).forEach(
      (sum, j) => void y.set(row * N + j, sum + (bias?.get(expert * N + j) ?? 0)),
    );
  }
  if (!isBackward) return;
  t.array(x.shape).fill(0);
  t.array(weight.memory.shape).fill(weight.gradient);
  if (t.has("bias")) t.array([E, N]).fill(0);
}

function expertMlp(t: Tally, isBackward: boolean): void {
  const [x, weights, up, down] = [t.input("x"), t.input("weights"), stackOf(t, "up"), stackOf(t, "down")];
  const [T, C] = x.shape;
  const topK = weights.shape[1];
  const rows = rowsOf(t.input("lists"), up.E, T * topK);
  const y = t.array([T, C]);
  const biases = isBackward ? [] : ["upBias", "downBias"].filter((name) => t.has(name)).map((name) => t.input(name));
  const sums = new Float64Array(T * C);
  // The activation, and the weighted sum, count for nothing.
  const hidden = (columns: readonly number[]) => columns.slice(0, down.K);
  for (const { expert, choice } of rows) {
    const token = Math.floor(choice / topK);
    const weight = weights.get(choice);
    const at = (k: number) => x.get(token * C + k);
    for (const bias of biases) for (let j = 0, N = bias.shape[1]; j < N; j++) bias.get(expert * N + j);
    if (!isBackward) {
      const h = hidden(product(t, up.N, C, at, up.at(expert)));
      product(t, C, down.K, (k) => h[k], down.at(expert)).forEach((value, c) => {
        sums[token * C + c] += weight * value;
      });
      continue;
    }
    const dy = (c: number) => y.get(token * C + c);
    const dh = product(t, down.K, C, dy, (k, c) => down.at(expert)(c, k));
    down.collect(expert, dy, () => 1);
    const columns = (j: number) => dh[j % down.K];
    product(t, C, up.N, columns, (k, j) => up.at(expert)(j, k));
    up.collect(expert, columns, at);
  }
  if (!isBackward) return void y.fill(sums);
  t.array(x.shape).fill(0);
  t.array(weights.shape, "f32").fill(0);
  for (const { memory, gradient } of [up, down]) t.array(memory.shape).fill(gradient);
  for (const name of ["upBias", "downBias"]) if (t.has(name)) t.array(t.input(name).shape).fill(0);
}

const dispatchTokens: Counter = {
  forward(t) {
    const x = t.input("x");
    const { topK, experts } = t.options as { topK: number; experts: number };
    const [T, C] = x.shape;
    const rows = rowsOf(t.input("lists"), experts, T * topK);
    const y = t.array([T * topK, C]).fill(0);
    for (const { row, choice } of rows)
      for (let c = 0; c < C; c++) y.set(row * C + c, x.get(Math.floor(choice / topK) * C + c));
  },
  backward(t) {
    const { shape } = t.input("x");
    const { topK, experts } = t.options as { topK: number; experts: number };
    const [T, C] = shape;
    const dy = t.array([T * topK, C]);
    const sums = new Float64Array(T * C);
    for (const { row, choice } of rowsOf(t.input("lists"), experts, T * topK))
      for (let c = 0; c < C; c++) {
        const i = Math.floor(choice / topK) * C + c;
        sums[i] = t.add(dy.get(row * C + c), sums[i]);
      }
    t.array(shape).fill(sums);
  },
};

const combineTokens: Counter = {
  forward(t) {
    const [x, weights] = [t.input("x"), t.input("weights").touch()];
    const [[T, topK], C] = [weights.shape, x.shape[1]];
    const sums = new Float64Array(T * C);
    for (const { row, choice } of rowsOf(t.input("lists"), t.options.experts, T * topK))
      for (let c = 0; c < C; c++) {
        const i = Math.floor(choice / topK) * C + c;
        sums[i] = t.mulAdd(weights.get(choice), x.get(row * C + c), sums[i]);
      }
    t.array([T, C]).fill(sums);
  },
  backward(t) {
    const [x, weights] = [t.input("x"), t.input("weights").touch()];
    const [[T, topK], C] = [weights.shape, x.shape[1]];
    const [dy, dx] = [t.array([T, C]).touch(), t.array(x.shape).fill(0)];
    const dweights = new Float64Array(T * topK);
    for (const { row, choice } of rowsOf(t.input("lists"), t.options.experts, T * topK))
      for (let c = 0; c < C; c++) {
        const slope = dy.get(Math.floor(choice / topK) * C + c);
        dx.set(row * C + c, t.mul(weights.get(choice), slope));
        dweights[choice] = t.mulAdd(x.get(row * C + c), slope, dweights[choice]);
      }
    t.array(weights.shape, "f32").fill(dweights);
  },
};

/** Scores of a token: all experts', or of those chosen; which are chosen counts for nothing. Everything is f32. */
function topKRouting(t: Tally, isBackward: boolean): void {
  const logits = t.array(t.input("logits").shape, "f32").touch();
  const { topK, score = "softmax" } = t.options as { topK: number; score?: string };
  const [T, E] = logits.shape;
  const scored = score === "topKSoftmax" ? topK : E;
  const weights = t.array([T, topK], "f32");
  const lists = t.array([listPlaces(E, T * topK).length], "i32");
  if (isBackward) {
    weights.touch();
    lists.touch();
  } else {
    for (const name of ["bias", "noise", "used"]) if (t.has(name)) t.array(t.input(name).shape, "f32").touch();
    weights.fill(0);
    lists.fill(0);
  }
  const dlogits = isBackward ? t.array(logits.shape, "f32").fill(0) : null;
  for (let token = 0; token < T; token++) {
    const x = Array.from({ length: scored }, (_, e) => logits.get(token * E + e));
    if (dlogits) {
      const dy = 0.5;
      if (score === "sigmoid") {
        for (const y of x) t.mul(t.mul(y, t.sub(1, y)), dy);
        continue;
      }
      let dot = 0;
      for (const y of x) dot = t.mulAdd(y, dy, dot);
      for (const y of x) t.mul(t.sub(dy, dot), y);
      continue;
    }
    if (score === "sigmoid") {
      for (const value of x) t.div(1, t.add(1, t.call(Math.exp, -value)));
      continue;
    }
    const largest = x.reduce((most, value) => t.max(most, value), Number.NEGATIVE_INFINITY);
    let sum = 0;
    const exps = x.map((value) => t.call(Math.exp, t.sub(value, largest)));
    for (const value of exps) sum = t.add(value, sum);
    for (const value of exps) t.div(value, sum);
  }
}

export const experts: Readonly<Record<string, Counter>> = {
  groupedGemm: { forward: (t) => groupedGemm(t, false), backward: (t) => groupedGemm(t, true) },
  expertMlp: { forward: (t) => expertMlp(t, false), backward: (t) => expertMlp(t, true) },
  dispatchTokens,
  combineTokens,
  topKRouting: { forward: (t) => topKRouting(t, false), backward: (t) => topKRouting(t, true) },
};
