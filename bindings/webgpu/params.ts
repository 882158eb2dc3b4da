import type { AnyPass } from "../../kernels/contract.js";
import type { Part } from "./parts.js";

/** Writes the params of a pass where its uniform begins. */
export function writeParams(
  pass: AnyPass,
  params: Readonly<Record<string, number>>,
  view: DataView,
  offset: number,
): void {
  for (const name of pass.paramNames) {
    const value = params[name];
    if (pass.params[name] === "f32") view.setFloat32(offset, value, true);
    else if (value >>> 0 === value) view.setUint32(offset, value, true);
    else throw new RangeError(`${pass.label}: param ${name} is ${value}, not a u32`);
    offset += 4;
  }
}

/** Where a part stands in each of `places`, and what that is of the whole launch: WgslLaunch.places. */
export function writePlaces(
  places: readonly string[],
  part: Part,
  whole: Part["params"],
  view: DataView,
  offset: number,
): void {
  for (const name of places) {
    view.setUint32(offset, part.first?.[name] ?? 0, true);
    view.setUint32(offset + 4, whole[name], true);
    offset += 8;
  }
}
