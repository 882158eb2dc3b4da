import type { NumberArray } from "../contract.js";

type Sizes = { T: number; V: number; ignoreIndex: number; smoothing: number };

export function forward(
  b: {
    logits: NumberArray;
    target: NumberArray;
    loss: NumberArray;
    maximum: NumberArray;
    logSum: NumberArray;
    faults: NumberArray;
  },
  { T, V, ignoreIndex, smoothing, faultLabel }: Sizes & { faultLabel: number },
): void {
  for (let t = 0; t < T; t++) {
    b.loss[t] = 0;
    b.maximum[t] = 0;
    b.logSum[t] = 0;
    const target = b.target[t];
    if (target === (ignoreIndex | 0)) continue;
    if (target < 0 || target >= V) {
      if (b.faults[0] === 0) b.faults.set([1, faultLabel, t, target]);
      continue;
    }
    let maximum = Number.NEGATIVE_INFINITY;
    for (let v = 0; v < V; v++) maximum = Math.max(maximum, b.logits[t * V + v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(b.logits[t * V + v] - maximum);
    const logSum = Math.log(sum);
    let all = 0;
    for (let v = 0; v < V; v++) all += logSum + (maximum - b.logits[t * V + v]);
    b.loss[t] = logSum + (maximum - b.logits[t * V + target]);
    // Not 0 * infinity, where logits of -infinity mask classes.
    if (smoothing > 0) b.loss[t] = (1 - smoothing) * b.loss[t] + (smoothing / V) * all;
    b.maximum[t] = maximum;
    b.logSum[t] = logSum;
  }
}

export function reduce(
  b: { loss: NumberArray; target: NumberArray; y: NumberArray; scale: NumberArray },
  { T, ignoreIndex, mean }: { T: number; ignoreIndex: number; mean: number },
): void {
  let sum = 0;
  let count = 0;
  for (let t = 0; t < T; t++) {
    sum += b.loss[t];
    if (b.target[t] !== (ignoreIndex | 0)) count++;
  }
  b.scale[0] = mean ? 1 / Math.max(1, count) : 1;
  b.y[0] = sum * b.scale[0];
}

type Backward = {
  dy: NumberArray;
  logits: NumberArray;
  target: NumberArray;
  maximum: NumberArray;
  logSum: NumberArray;
  scale: NumberArray | null;
};

export function backward(
  { dlogits, ...b }: Backward & { dlogits: NumberArray },
  { T, V, ignoreIndex, smoothing, perToken }: Sizes & { perToken: number },
): void {
  for (let t = 0; t < T; t++) {
    const target = b.target[t];
    const counts = target !== (ignoreIndex | 0) && target >= 0 && target < V;
    const g = b.dy[perToken ? t : 0] * (b.scale ? b.scale[0] : 1);
    for (let v = 0; v < V; v++) {
      const wanted = (v === target ? 1 - smoothing : 0) + smoothing / V;
      const probability = Math.exp(b.logits[t * V + v] - b.maximum[t] - b.logSum[t]);
      dlogits[t * V + v] = counts ? g * (probability - wanted) : 0;
    }
  }
}

export function backwardInPlace(b: Backward, params: Sizes & { perToken: number }): void {
  backward({ ...b, dlogits: b.logits }, params);
}
