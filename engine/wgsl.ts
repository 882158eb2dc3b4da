/**
 * The common parts of this package's WGSL, for kernels outside it: `wgsl(text, [grid, reduce])`. Each brings what it refers to.
 * A module of its own, so that a page carries the parts that it names.
 */

import activationSource from "../kernels/common/wgsl/activation.wgsl.js";
import expSource from "../kernels/common/wgsl/exp.wgsl.js";
import faultSource from "../kernels/common/wgsl/fault.wgsl.js";
import gridSource from "../kernels/common/wgsl/grid.wgsl.js";
import mathSource from "../kernels/common/wgsl/math.wgsl.js";
import philoxSource from "../kernels/common/wgsl/philox.wgsl.js";
import reduceSource from "../kernels/common/wgsl/reduce.wgsl.js";
import type { WgslSource } from "../kernels/contract.js";

/** `folded_index(group, groups)`: the number of a workgroup in the grid of `foldGrid`. */
export const grid: WgslSource = gridSource;
/** `workgroup_sum(value, lane)` and `workgroup_max` over WORKGROUP threads, a power of two; every thread calls them. */
export const reduce: WgslSource = reduceSource;
/** `exp_or_zero(x)` and `exp_minus_one(x)` for x <= 0, as fast as the adapter has them. */
export const exp: WgslSource = expSource;
/** Elementary functions within 3 units in the last place: `exp_exact`, `log_exact`, `pow_exact`, `sin_exact`, `cos_exact`. */
export const math: WgslSource = mathSource;
/** `sigmoid`, `gelu`, `swish` and their derivatives. */
export const activation: WgslSource = activationSource;
/** Random words and dropout factors by position, of the buffer `random` and a sequence number. */
export const philox: WgslSource = philoxSource;
/** `report_bad_index(label, position, index)`, for a pass with the buffer `faults` and the param `faultLabel`. */
export const fault: WgslSource = faultSource;
