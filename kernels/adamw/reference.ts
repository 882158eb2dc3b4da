import type { NumberArray } from "../contract.js";

export function step(
  b: {
    parameter: NumberArray;
    gradient: NumberArray;
    m: NumberArray;
    v: NumberArray;
    schedule: NumberArray;
    clip: NumberArray | null;
  },
  {
    n,
    beta1,
    rest1,
    beta2,
    rest2,
    eps,
    weightDecay,
  }: Record<"n" | "beta1" | "rest1" | "beta2" | "rest2" | "eps" | "weightDecay", number>,
): void {
  const [lr, correction1, correction2] = b.schedule;
  const clip = b.clip ? b.clip[1] : 1;
  for (let i = 0; i < n; i++) {
    const g = b.gradient[i] * clip;
    const m = beta1 * b.m[i] + rest1 * g;
    const v = beta2 * b.v[i] + rest2 * g * g;
    b.m[i] = m;
    b.v[i] = v;
    const decayed = b.parameter[i] * (1 - lr * weightDecay);
    b.parameter[i] = decayed - ((lr / correction1) * m) / (Math.sqrt(v / correction2) + eps);
  }
}
