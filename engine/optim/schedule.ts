/** Learning rate at a step (or epoch) counted from 0. */
export type Schedule = (step: number) => number;

/** (base - end)/2 · (1 + cos(π step / total)) + end; stays at `end` after `total`. */
export const cosine =
  (base: number, total: number, end = 0): Schedule =>
  (step) =>
    ((base - end) / 2) * (1 + Math.cos(Math.PI * Math.min(1, step / total))) + end;

export const constantRate =
  (base: number): Schedule =>
  () =>
    base;

/** Rises linearly from `start` to the first rate of `after` over `steps`, then follows `after`. */
export const linearWarmup =
  (steps: number, after: Schedule, start = 0): Schedule =>
  (step) =>
    step < steps ? start + ((after(0) - start) * (step + 1)) / (steps + 1) : after(step - steps);
