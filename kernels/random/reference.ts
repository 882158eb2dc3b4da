import { philox, uniform as unit } from "../common/philox.js";
import type { NumberArray } from "../contract.js";

export function uniform(
  b: { random: NumberArray; y: NumberArray },
  { n, low, high, sequence }: { n: number; low: number; high: number; sequence: number },
): void {
  for (let i = 0; i < n; i++) b.y[i] = low + (high - low) * unit(philox(b.random, sequence, i));
}

export function normal(
  b: { random: NumberArray; y: NumberArray },
  { n, mean, deviation, sequence }: { n: number; mean: number; deviation: number; sequence: number },
): void {
  for (let i = 0; i < n; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - unit(philox(b.random, sequence, i - (i % 2)))));
    const angle = 2 * Math.PI * unit(philox(b.random, sequence, i - (i % 2) + 1));
    b.y[i] = mean + deviation * radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  }
}
