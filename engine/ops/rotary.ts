import * as kernels from "../../kernels/rotary/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, int, maybe } from "../dispatch/op-schema.js";
import { describe, OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";

/** How `rotary` turns. */
export interface RotaryOptions {
  /** Position of the first token; the others follow. Default 0. */
  start?: number;
  /** Base of the frequencies theta^(-2i / rotaryDim). Default 10,000. */
  theta?: number;
  /** Even: leading elements of each head that turn; the rest passes. Default D. */
  rotaryDim?: number;
  /** Pairs (2i, 2i + 1), as in GPT-J and llama2.c. Default false: (i, i + rotaryDim / 2), as in GPT-NeoX and Hugging Face. */
  interleaved?: boolean;
}

export const rotaryOp = defineOp({
  name: "rotary",
  inputs: { x: float("B", "L", "H", "D"), positions: maybe(int("B", "L")) },

  forward({ x, positions }, options: RotaryOptions, { dims: { B, L, H, D }, run }) {
    const { start = 0, theta = 10_000, rotaryDim = D, interleaved = false } = options;
    if (!(Number.isInteger(rotaryDim) && rotaryDim >= 0 && rotaryDim <= D && rotaryDim % 2 === 0))
      throw new OptionError(`rotary: rotaryDim ${rotaryDim} must be even and at most D of ${describe("x", x.shape)}.`);
    if (!(Number.isInteger(start) && start >= 0 && start + L <= 2 ** 31))
      throw new OptionError(`rotary: start ${start} must be a whole number from 0 on, positions below 2^31.`);
    if (!(theta > 0 && Number.isFinite(theta))) throw new OptionError(`rotary: theta ${theta} must be positive.`);
    const kept = {
      ...{ B, L, H, D, rotaryDim, start, theta },
      interleaved: interleaved ? 1 : 0,
      hasPositions: positions ? 1 : 0,
    };
    const { y } = run(kernels.forward, { x, positions, y: x.shape }, { ...kept, inverse: 0 });
    return { y, saves: { positions }, kept };
  },

  gradient({ positions }, dy, { kept, run }) {
    return { x: run(kernels.forward, { x: dy, positions, y: dy.shape }, { ...kept, inverse: 1 }).y };
  },
});

/**
 * Turns each pair of elements of a head by position · theta^(-2i / rotaryDim), so that dot products of two turned vectors
 * depend on the distance of their positions. x [B, L, H, D] → [B, L, H, D]. Token l of every row stands at start + l, or
 * at `positions` [B, L] i32 where given. Su et al.: RoFormer, arXiv 2104.09864.
 */
export function rotary(x: Tensor, options: RotaryOptions & { positions?: Tensor | null } = {}): Tensor {
  const { positions = null, ...rest } = options;
  return rotaryOp({ x, positions }, rest);
}
