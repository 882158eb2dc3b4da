import type { NumberArray } from "../contract.js";

export function advance(
  b: { rate: NumberArray; slots: NumberArray; clip: NumberArray | null; schedule: NumberArray },
  { count, beta1, rest1, beta2, rest2 }: Record<"count" | "beta1" | "rest1" | "beta2" | "rest2", number>,
): void {
  if (b.clip && b.clip[1] < 0) return;
  for (let i = 0; i < count; i++) {
    const row = 4 * b.slots[i];
    b.schedule[row] = b.rate[0];
    b.schedule[row + 1] = beta1 * b.schedule[row + 1] + rest1;
    b.schedule[row + 2] = beta2 * b.schedule[row + 2] + rest2;
  }
}

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
    slot,
    beta1,
    rest1,
    beta2,
    rest2,
    eps,
    weightDecay,
  }: Record<"n" | "slot" | "beta1" | "rest1" | "beta2" | "rest2" | "eps" | "weightDecay", number>,
): void {
  const [lr, correction1, correction2] = b.schedule.slice(4 * slot, 4 * slot + 3);
  const clip = b.clip ? b.clip[1] : 1;
  if (clip < 0) return;
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
