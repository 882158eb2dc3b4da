/** Arguments of plain JavaScript, which no compiler has checked: an error of ours instead of one about `undefined`. */
import type { Device } from "./device/device.js";
import { OptionError } from "./errors.js";
import { didYouMean } from "./io/nearest.js";

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** What a value is, in words. */
function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = value.constructor?.name ?? "Object";
  return name === "Object" ? "an object" : `a ${name}`;
}

/** Throws OptionError where `value` is no object. `what` says what is needed, and how it is had. @internal */
export function requireObject(op: string, value: unknown, what: string): void {
  if (!isObject(value) || Array.isArray(value))
    throw new OptionError(`${op}: ${what} is needed, not ${kindOf(value)}.`);
}

/** Throws OptionError where `value` is no text. @internal */
export function requireText(op: string, value: unknown, what: string): void {
  if (typeof value !== "string") throw new OptionError(`${op}: ${what} is needed, not ${kindOf(value)}.`);
}

/** Throws OptionError where `value` is no array. @internal */
export function requireArray(op: string, value: unknown, what: string): void {
  if (!Array.isArray(value)) throw new OptionError(`${op}: ${what} is needed, not ${kindOf(value)}.`);
}

/** Throws OptionError where `value` is no open device. A promise of one is a common mistake. @internal */
export function requireDevice(op: string, value: unknown): asserts value is Device {
  if (isObject(value) && "binding" in value && "pool" in value) return;
  const found = value instanceof Promise ? "a promise of one: await it" : kindOf(value);
  throw new OptionError(`${op}: a device is needed, as \`await openDevice("cpu")\` opens it, not ${found}.`);
}

/** Throws OptionError where `value` is no tensor. */
export function requireTensor(op: string, value: unknown, name: string): void {
  if (!isObject(value) || !("shape" in value && "device" in value))
    throw new OptionError(
      `${op}: ${name} must be a tensor, as \`tensor(values, { device })\` makes it, not ${kindOf(value)}.`,
    );
}

/** Throws OptionError, naming it, for an option that is not known: a misspelt one would be left out without a word. @internal */
export function refuseUnknown(op: string, options: object, known: Readonly<Record<string, unknown>>, of = ""): void {
  const other = Object.keys(options).find((key) => !Object.hasOwn(known, key));
  if (other === undefined) return;
  const names = Object.keys(known);
  throw new OptionError(
    `${op}: unknown option "${of}${other}". ${didYouMean(other, names)}Known: ${names.join(", ")}.`,
  );
}
