/** Learning rate at a step (or epoch) counted from 0. */
export type Schedule = (step: number) => number;

/** (base - end)/2 · (1 + cos(π step / total)) + end; stays at `end` after `total`. */
export const cosine =
  (base: number, total: number, end = 0): Schedule =>
  (step) =>
    ((base - end) / 2) * (1 + Math.cos(Math.PI * Math.min(1, step / total))) + end;

/** `base` at every step. */
export const constantRate =
  (base: number): Schedule =>
  () =>
    base;

/** start + (after(0) - start) step / steps in the first `steps` steps, then follows `after` from its beginning. */
export const linearWarmup =
  (steps: number, after: Schedule, start = 0): Schedule =>
  (step) =>
    step < steps ? start + ((after(0) - start) * step) / steps : after(step - steps);
