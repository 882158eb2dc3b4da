import type { AnyPass, Cut, DType, FloatDType, Params, WgslLaunch } from "../../kernels/contract.js";
import { BYTES } from "../device.js";
import { BindingTooLarge } from "../errors.js";
import { type WebGpuMemory, windowOf } from "./buffer.js";

type Numbers = Readonly<Record<string, number>>;

/** A launch, or a part of one: its params, where it stands in those that are cut, and what each buffer of the pass is to it. */
export interface Part {
  readonly params: Numbers;
  /** By param: where this part begins; nothing for those that are whole. */
  readonly first?: Numbers;
  readonly buffers: readonly (WebGpuMemory | null)[];
}

/** Bindings begin at a multiple of it: what WebGPU asks for at most. */
const ALIGNMENT = 256;

/**
 * The launch as it is where every buffer that it binds is within `most` bytes; else the parts that its cuts make of it,
 * in order. Throws BindingTooLarge where it has none, or a buffer that all parts need is too large itself.
 */
export function partsOf(
  pass: AnyPass,
  launch: WgslLaunch<Params>,
  dtype: FloatDType,
  whole: Part,
  most: number,
): Part[] {
  const names = launch.buffers ?? pass.bufferNames;
  const sizeOf = (part: Part, name: string) => part.buffers[pass.bufferNames.indexOf(name)]?.size ?? 0;
  const largeOf = (part: Part) => names.find((name) => sizeOf(part, name) > most);
  const large = largeOf(whole);
  if (large === undefined) return [whole];

  const cuts = [launch.cut?.(whole.params, dtype) ?? []].flat().map((cut) => {
    const along = cut.along ?? byShape(pass, cut.over, whole.params);
    return { ...cut, along };
  });
  const refuse = (name: string, size: number): never => {
    throw new BindingTooLarge(pass, name, size, most, cuts.length > 0);
  };
  const fixed = names.find((name) => sizeOf(whole, name) > most && !cuts.some(({ along }) => along[name]));
  if (fixed !== undefined) refuse(fixed, sizeOf(whole, fixed));

  let parts: readonly Part[] = [whole];
  for (const cut of cuts) {
    const cutNames = names.filter((name) => cut.along[name]);
    parts = parts.flatMap((part) =>
      cutNames.some((name) => sizeOf(part, name) > most) ? cutInto(pass, dtype, part, cut, cutNames, most) : part,
    );
  }
  return [...parts];
}

/** Parts of a launch, or of a part of it, by one cut. */
function cutInto(
  pass: AnyPass,
  dtype: FloatDType,
  whole: Part,
  cut: Cut<Params> & { readonly along: Numbers },
  names: readonly string[],
  most: number,
): Part[] {
  const { along } = cut;
  const bytes = (name: string) => {
    const stored: DType | "value" = pass.buffers[name].dtype;
    return BYTES[stored === "value" ? dtype : stored];
  };
  const present = names.filter((name) => (whole.buffers[pass.bufferNames.indexOf(name)]?.size ?? 0) > 0);
  const steps = present.map((name) => along[name] * bytes(name));
  const unit = steps.reduce((unit, step) => leastCommonMultiple(unit, alignedUnit(step)), cut.unit ?? 1);
  const count = Math.floor(most / Math.max(...steps) / unit) * unit;
  if (count === 0) {
    const [widest] = present.filter((_, i) => steps[i] === Math.max(...steps));
    throw new BindingTooLarge(pass, widest, unit * Math.max(...steps), most);
  }
  const total = whole.params[cut.over];
  return Array.from({ length: Math.ceil(total / count) }, (_, i) => {
    const first = i * count;
    const here = Math.min(count, total - first);
    const params = { ...whole.params, ...(i > 0 && (cut.later as Numbers)), [cut.over]: here };
    for (const [name, step] of Object.entries((cut.advance ?? {}) as Numbers)) params[name] += first * step;
    const buffers = whole.buffers.map((memory, index) => {
      const elements = along[pass.bufferNames[index]];
      if (!memory || !elements) return memory;
      const step = elements * bytes(pass.bufferNames[index]);
      // The last part has the rest of the memory, a guard zone as well.
      const last = first + here === total && memory.size - first * step <= most;
      return windowOf(memory, first * step, last ? memory.size - first * step : Math.ceil((here * step) / 16) * 16);
    });
    return { params, first: { ...whole.first, [cut.over]: first }, buffers };
  });
}

/** Elements for one of `letter` in the buffers whose shape begins with it. */
function byShape(pass: AnyPass, letter: string, params: Numbers): Numbers {
  const found: Record<string, number> = {};
  for (const name of pass.bufferNames) {
    const [first, ...rest] = pass.buffers[name].shape.split(" ");
    if (first === letter) found[name] = rest.reduce((n: number, size: string) => n * (params[size] ?? Number(size)), 1);
  }
  return found;
}

/** Of how many, `step` bytes each, parts must be a multiple to begin at an aligned place. */
const alignedUnit = (step: number) => ALIGNMENT / greatestCommonDivisor(ALIGNMENT, step);
const leastCommonMultiple = (a: number, b: number) => (a / greatestCommonDivisor(a, b)) * b;
const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));
