import type { HostInput } from "../../../engine/check/fill.js";
import type { Tensor } from "../../../engine/index.js";

export type Inputs = Readonly<Record<string, Tensor>>;
export type Host = Readonly<Record<string, HostInput>>;
export type Options = Record<string, never>;
/** A fused op written with simple ones, from the formula in its documentation: a second oracle. */
export type Twin = (inputs: Inputs, options: Options, host: Host) => Tensor | readonly Tensor[];

/** What reduces each row. */
export const rows = { dim: -1, keepDim: true };
