import { philox, uniform } from "../common/philox.js";
import type { NumberArray } from "../contract.js";

export function forward(
  b: { x: NumberArray; random: NumberArray; y: NumberArray },
  { n, span, rate, sequence }: { n: number; span: number; rate: number; sequence: number },
): void {
  for (let i = 0; i < n; i++) {
    const kept = uniform(philox(b.random, sequence, Math.floor(i / span))) >= rate;
    b.y[i] = kept ? b.x[i] / (1 - rate) : 0;
  }
}
