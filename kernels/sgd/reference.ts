import type { NumberArray } from "../contract.js";

export function step(
  b: {
    parameter: NumberArray;
    gradient: NumberArray;
    velocity: NumberArray | null;
    schedule: NumberArray;
    clip: NumberArray | null;
  },
  { n, momentum, nesterov, weightDecay }: { n: number; momentum: number; nesterov: number; weightDecay: number },
): void {
  const lr = b.schedule[0];
  const clip = b.clip ? b.clip[1] : 1;
  if (clip < 0) return;
  for (let i = 0; i < n; i++) {
    let g = b.gradient[i] * clip + weightDecay * b.parameter[i];
    if (b.velocity) {
      b.velocity[i] = momentum * b.velocity[i] + g;
      g = nesterov ? g + momentum * b.velocity[i] : b.velocity[i];
    }
    b.parameter[i] -= lr * g;
  }
}
