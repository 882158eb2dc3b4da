import type { Device } from "../device/device.js";
import { isFloat } from "../dtype.js";
import { DeviceError, DTypeError, describe, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { InputSchema } from "./op-schema.js";

/** Throws where an input is missing, of another type than its schema asks for, or on another device. Returns the device. */
export function checkInputs(
  op: string,
  names: readonly string[],
  schemas: readonly InputSchema[],
  given: Readonly<Record<string, Tensor | null>>,
): Device {
  let device: Device | null = null;
  let first = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    const t = given[name];
    if (!t) {
      if (!schemas[i].optional) throw new ShapeError(`${op}: input ${name} is missing.`);
      continue;
    }
    if (!(t instanceof Tensor))
      throw new DTypeError(`${op}: ${name} is not a Tensor. Make one with tensor(values, { device }).`);
    if (t.disposed) t.check(`${op}: ${name}`);
    const kind = schemas[i].kind;
    if (kind === "float" ? !isFloat(t.dtype) : kind !== "any" && t.dtype !== kind)
      throw new DTypeError(
        `${op}: ${describe(name, t.shape)} is ${t.dtype}; ${kind === "float" ? "a floating type" : kind} is needed. Use cast().`,
      );
    if (!device) {
      device = t.storage.device;
      first = name;
    } else if (t.storage.device !== device) {
      throw new DeviceError(
        `${op}: ${name} is on ${t.storage.device.name} but ${first} is on ${device.name}` +
          `${t.storage.device.name === device.name ? " (another instance)" : ""}. Move it: await ${name}.to(device).`,
      );
    }
  }
  if (!device) throw new ShapeError(`${op}: no input.`);
  return device;
}

/** Of schemas without letters: every op on the tape holds its sizes. */
const NO_DIMS: Readonly<Record<string, number>> = {};

/** The sizes of the letters of the schemas. Throws where inputs do not fit together. */
export function bindDims(
  op: string,
  names: readonly string[],
  schemas: readonly InputSchema[],
  given: Readonly<Record<string, Tensor | null>>,
): Readonly<Record<string, number>> {
  let dims = NO_DIMS as Record<string, number>;
  for (let i = 0; i < names.length; i++) {
    const t = given[names[i]];
    if (!t) continue;
    const pattern = schemas[i].dims;
    const open = pattern[0] === "...";
    const fixed = open ? pattern.length - 1 : pattern.length;
    if (open ? t.rank < fixed : t.rank !== fixed)
      throw new ShapeError(
        `${op}: ${describe(names[i], t.shape)} has ${t.rank} dimensions; [${pattern.join(", ")}] is needed.`,
      );
    const skip = t.rank - fixed;
    for (let d = 0; d < fixed; d++) {
      const letter = pattern[open ? d + 1 : d];
      const size = t.shape[skip + d];
      const known = typeof letter === "number" ? letter : dims[letter];
      if (known === undefined) {
        if (dims === NO_DIMS) dims = {};
        dims[letter as string] = size;
      } else if (known !== size) throw disagreement(op, names, schemas, given, String(letter), names[i]);
    }
  }
  return dims;
}

function disagreement(
  op: string,
  names: readonly string[],
  schemas: readonly InputSchema[],
  given: Readonly<Record<string, Tensor | null>>,
  letter: string,
  culprit: string,
): ShapeError {
  const shown = names.flatMap((n, i) => {
    const t = given[n];
    if (!t || (n !== culprit && !schemas[i].dims.map(String).includes(letter))) return [];
    const fixed = schemas[i].dims.filter((d) => d !== "...");
    const skip = t.rank - fixed.length;
    const parts = t.shape.map((size, d) => (d >= skip ? `${fixed[d - skip]}=${size}` : String(size)));
    return [`${n} [${parts.join(", ")}]`];
  });
  return new ShapeError(`${op}: ${shown.join(" and ")} do not fit: ${letter} must be equal.`);
}
