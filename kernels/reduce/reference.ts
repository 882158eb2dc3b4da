import type { NumberArray } from "../contract.js";
import { REDUCE } from "./functions.js";

type Shape = { O: number; L: number; I: number };

export function forward(
  { x, y }: { x: NumberArray; y: NumberArray },
  { O, L, I, f, scale }: Shape & { f: number; scale: number },
): void {
  for (let o = 0; o < O; o++)
    for (let i = 0; i < I; i++) {
      let result = f === REDUCE.sum ? 0 : f === REDUCE.max ? -Infinity : Infinity;
      for (let l = 0; l < L; l++) {
        const v = x[(o * L + l) * I + i];
        result = f === REDUCE.sum ? result + v : f === REDUCE.max ? Math.max(result, v) : Math.min(result, v);
      }
      y[o * I + i] = result * scale;
    }
}

export function backwardExtremum(
  b: { dy: NumberArray; x: NumberArray; y: NumberArray; dx: NumberArray },
  { O, L, I }: Shape,
): void {
  for (let o = 0; o < O; o++)
    for (let i = 0; i < I; i++) {
      const y = b.y[o * I + i];
      let found = false;
      for (let l = 0; l < L; l++) {
        const at = (o * L + l) * I + i;
        const here: boolean = !found && (b.x[at] === y || (Number.isNaN(b.x[at]) && Number.isNaN(y)));
        b.dx[at] = here ? b.dy[o * I + i] : 0;
        found ||= here;
      }
    }
}
