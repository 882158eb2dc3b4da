import { recordingHistory } from "../autograd/recording.js";
import { DeviceError, DTypeError, describe, GradientError, ShapeError } from "../errors.js";
import { around, dimIndex, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided } from "./moves.js";
import { checkCount } from "./strides.js";

/**
 * Overwrites `target` in place with `rows`, from `position` along `dim` on: how a cache of keys and values grows. There is
 * no gradient: a tracked argument is an error outside of noGrad.
 */
export function writeRows(target: Tensor, rows: Tensor, options: { dim: number; position: number }): void {
  target.check("writeRows");
  rows.check("writeRows");
  const d = dimIndex("writeRows", options.dim, target.rank);
  const position = checkCount("writeRows", "position", options.position);
  if (rows.dtype !== target.dtype)
    throw new DTypeError(`writeRows: rows is ${rows.dtype} but target is ${target.dtype}. Use cast().`);
  if (rows.rank !== target.rank || !sameShape(rows.shape, target.shape.with(d, rows.shape[d])))
    throw new ShapeError(
      `writeRows: ${describe("rows", rows.shape)} and ${describe("target", target.shape)} differ outside of dim ${options.dim}.`,
    );
  if (position + rows.shape[d] > target.shape[d])
    throw new ShapeError(
      `writeRows: ${describe("rows", rows.shape)} at position ${position} end after dim ${options.dim} of ` +
        `${describe("target", target.shape)}. Make the cache longer.`,
    );
  if (rows.device !== target.device)
    throw new DeviceError(`writeRows: rows is on ${rows.device.name}, target on ${target.device.name}.`);
  if ((target.tracked || rows.tracked) && recordingHistory())
    throw new GradientError("writeRows: a change in place has no gradient. Run it under noGrad(), or use concat().");
  const { outer, length, inner } = around(rows.shape, d);
  const to = { strides: [target.shape[d] * inner, 1], offset: position * inner };
  copyStrided("writeRows", rows, { strides: [length * inner, 1] }, target, to, [outer, length * inner]);
}
