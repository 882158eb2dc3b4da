import type { AnyPass, NumberArray } from "../../../kernels/contract.js";
import { generator } from "../random.js";

export type Numbers = Readonly<Record<string, number>>;
export type Arrays = Readonly<Record<string, NumberArray | null>>;

/** A call of a pass. */
export interface PassCase {
  readonly pass: AnyPass;
  readonly name: string;
  readonly params: Numbers;
  readonly arrays: Arrays;
}

/** Normal numbers, the same for the same seed. */
export const values = (length: number, seed: string, scale = 1) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => scale * random.normal());
};
/** Space for a result. */
export const room = (length: number) => new Float32Array(length);
