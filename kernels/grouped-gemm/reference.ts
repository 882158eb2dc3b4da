import type { NumberArray } from "../contract.js";
import { activate, activationDerivative } from "../matmul/reference.js";

interface Sizes {
  R: number;
  E: number;
  N: number;
  K: number;
}
interface Layout {
  transposed: number;
}
interface Gather {
  choices: number;
  gather: number;
}
interface Epilogue {
  O: number;
  activation: number;
  gated: number;
}

/** Calls `each(e, row, choice)` for the rows kept; choice is -1 where the lists are offsets alone. */
function rows(lists: NumberArray, E: number, each: (e: number, row: number, choice: number) => void): void {
  const order = 2 * E + 1;
  for (let e = 0; e < E; e++)
    for (let r = lists[e]; r < lists[e + 1]; r++) each(e, r, lists.length > E + 1 ? lists[order + r] : -1);
}

/** Row of what is gathered. */
const source = (gathers: number, choices: number, r: number, choice: number) =>
  gathers ? Math.floor(choice / choices) : r;

/** Place of [e,n,k] in a stack of weights. */
const place = ({ N, K, transposed }: { N: number; K: number } & Layout, e: number, n: number, k: number) =>
  e * N * K + (transposed ? n * K + k : k * N + n);

export function forward(
  b: {
    x: NumberArray;
    weight: NumberArray;
    bias: NumberArray | null;
    lists: NumberArray;
    pre: NumberArray | null;
    y: NumberArray;
  },
  p: Sizes & Layout & Gather & Epilogue & { accumulate: number },
): void {
  const { N, K, O, R, E } = p;
  const plain = p.activation === 0 && !p.gated;
  const sums = new Float64Array(N);
  const tail = b.lists[E];
  b.y.fill(0, tail * O, R * O);
  b.pre?.fill(0, tail * N, R * N);
  rows(b.lists, E, (e, r, choice) => {
    const from = source(p.gather, p.choices, r, choice) * K;
    for (let n = 0; n < N; n++) {
      let sum = b.bias ? b.bias[e * N + n] : 0;
      if (p.accumulate) sum += plain ? b.y[r * N + n] : (b.pre as NumberArray)[r * N + n];
      for (let k = 0; k < K; k++) sum += b.x[from + k] * b.weight[place(p, e, n, k)];
      sums[n] = sum;
      if (b.pre) b.pre[r * N + n] = sum;
    }
    for (let o = 0; o < O; o++) b.y[r * O + o] = activate(p.activation, sums[o]) * (p.gated ? sums[O + o] : 1);
  });
}

export function backwardInput(
  b: { dy: NumberArray; weight: NumberArray; lists: NumberArray; dx: NumberArray },
  p: Sizes & Layout & Gather & { accumulate: number },
): void {
  const { N, K, R, E } = p;
  if (!p.accumulate) b.dx.fill(0, b.lists[E] * K, R * K);
  rows(b.lists, E, (e, r, choice) => {
    const from = source(p.gather, p.choices, r, choice) * N;
    for (let k = 0; k < K; k++) {
      let sum = p.accumulate ? b.dx[r * K + k] : 0;
      for (let n = 0; n < N; n++) sum += b.dy[from + n] * b.weight[place(p, e, n, k)];
      b.dx[r * K + k] = sum;
    }
  });
}

export function backwardActivation(
  b: {
    dout: NumberArray;
    weight: NumberArray;
    bias: NumberArray | null;
    lists: NumberArray;
    weights: NumberArray;
    pre: NumberArray;
    dpre: NumberArray;
    a: NumberArray;
    dweights: NumberArray;
  },
  p: { R: number; E: number; N: number; C: number; choices: number } & Layout & Epilogue,
): void {
  const { N, C, O, R, E } = p;
  const tail = b.lists[E];
  b.dpre.fill(0, tail * N, R * N);
  b.a.fill(0, tail * O, R * O);
  b.dweights.fill(0);
  rows(b.lists, E, (e, r, choice) => {
    const from = Math.floor(choice / p.choices) * C;
    const w = b.weights[choice];
    let dot = 0;
    if (b.bias) for (let c = 0; c < C; c++) dot += b.dout[from + c] * b.bias[e * C + c];
    for (let o = 0; o < O; o++) {
      let g = 0;
      for (let c = 0; c < C; c++)
        g += b.dout[from + c] * b.weight[place({ N: C, K: O, transposed: p.transposed }, e, c, o)];
      const gate = b.pre[r * N + o];
      const up = p.gated ? b.pre[r * N + O + o] : 1;
      const active = activate(p.activation, gate);
      dot += g * active * up;
      b.dpre[r * N + o] = w * g * activationDerivative(p.activation, gate) * up;
      if (p.gated) b.dpre[r * N + O + o] = w * g * active;
      b.a[r * O + o] = w * active * up;
    }
    b.dweights[choice] = dot;
  });
}

export function backwardWeight(
  b: {
    dy: NumberArray;
    x: NumberArray;
    lists: NumberArray;
    weights: NumberArray | null;
    dweight: NumberArray;
    dbias: NumberArray | null;
  },
  p: Sizes &
    Layout & { choices: number; gatherDy: number; gatherX: number; accumulate: number; accumulateBias: number },
): void {
  const { N, K, E } = p;
  const sums = p.accumulate ? Float64Array.from(b.dweight) : new Float64Array(E * N * K);
  const biasSums = b.dbias && (p.accumulateBias ? Float64Array.from(b.dbias) : new Float64Array(E * N));
  rows(b.lists, E, (e, r, choice) => {
    const left = source(p.gatherDy, p.choices, r, choice) * N;
    const right = source(p.gatherX, p.choices, r, choice) * K;
    for (let n = 0; n < N; n++) {
      const dy = b.dy[left + n];
      if (biasSums) biasSums[e * N + n] += dy * (b.weights ? b.weights[choice] : 1);
      for (let k = 0; k < K; k++) sums[place(p, e, n, k)] += dy * b.x[right + k];
    }
  });
  b.dweight.set(sums);
  if (biasSums) b.dbias?.set(biasSums);
}
