import type { Buffers, DType, FloatDType, Params, Pass } from "../kernels/contract.js";
import { type AutocastRule, underAutocast } from "./autocast.js";
import type { Device } from "./device.js";
import { type Arguments, type Numbers, type Results, run } from "./dispatch.js";
import { isFloat } from "./dtype.js";
import { DeviceError, DTypeError, describe, GradientError, ShapeError } from "./errors.js";
import { recordingHistory, unrecorded } from "./recording.js";
import { attach, Node } from "./tape.js";
import { Tensor, type Values, valuesOf, view } from "./tensor.js";

// ---------------------------------------------------------------------------------------------------------------------
// Schema

/** What an op accepts as one of its inputs: made by `float`, `int`, `any` and `maybe`. */
export interface InputSchema<Optional extends boolean = boolean> {
  /** Types that it may have. */
  readonly kind: "float" | "f32" | "i32" | "any";
  /** Letters that must agree between inputs, numbers, or a leading "..." for any dimensions in front. */
  readonly dims: readonly (string | number)[];
  /** Whether it may be null. */
  readonly optional: Optional;
}

/** Sizes of an input: letters, numbers, a leading "...". */
export type Dims = readonly (string | number)[];
/** An input of a floating type: `float("...", "C")`. Letters must agree between inputs, and `dims` of a run has their sizes. */
export const float = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "float",
  dims,
  optional: false,
});
/** An input that is f32 whatever the type of the others, which `autocast` leaves so: weights of a router. */
export const float32 = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "f32",
  dims,
  optional: false,
});
/** An input of i32: indices, targets. */
export const int = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "i32",
  dims,
  optional: false,
});
/** An input of any type. */
export const any = /* @__NO_SIDE_EFFECTS__ */ (...dims: Dims): InputSchema<false> => ({
  kind: "any",
  dims,
  optional: false,
});
/** An input that may be null: `maybe(float("C"))`. */
export const maybe = /* @__NO_SIDE_EFFECTS__ */ (schema: InputSchema): InputSchema<true> => ({
  ...schema,
  optional: true,
});

/** The inputs of an op by name. */
export type Inputs = Readonly<Record<string, InputSchema>>;
/** What a call of an op gets. */
export type InputTensors<I extends Inputs> = {
  readonly [K in keyof I]: I[K] extends InputSchema<true> ? Tensor | null : Tensor;
};

// ---------------------------------------------------------------------------------------------------------------------
// Definition

/** What `forward` works with. */
export interface ForwardContext {
  /** That of the inputs. */
  readonly device: Device;
  /** Sizes of the letters of the schema. */
  readonly dims: Readonly<Record<string, number>>;
  /** Whether the tape will keep what is saved: optional outputs that only the gradient needs can be left out otherwise. */
  readonly recording: boolean;
  /** Enqueues a pass: buffers and numbers by name, shapes for those that it makes. Returns what it wrote. */
  run<B extends Buffers, P extends Params>(
    pass: Pass<B, P>,
    args: Arguments<B>,
    params: Numbers<P>,
    dtype?: FloatDType,
  ): Results<B>;
}

/** What `gradient` works with. */
export interface GradientContext<I extends Inputs, O, K> extends Omit<ForwardContext, "recording"> {
  /** Those of the call. */
  readonly options: O;
  /** The plain values that the forward kept: sizes, a random sequence number. */
  readonly kept: K;
  /** Which inputs want a gradient. */
  readonly needs: { readonly [N in keyof I]: boolean };
  /** A gradient of that input that is already there and may be added to in place, in kernels that can. */
  readonly into: { readonly [N in keyof I]: Tensor | null };
}

/** What an op returns: one tensor or several. */
export type Outputs = Tensor | readonly Tensor[];
/** Gradients of the outputs, in their form; an output of several that nobody used gives null. */
export type OutputGradients<Y extends Outputs> = Y extends Tensor ? Tensor : readonly (Tensor | null)[];

/** What `forward` returns. */
export interface Forward<Y, S, K> {
  /** The result. */
  y: Y;
  /** Tensors for the gradient. */
  saves?: S;
  /** Plain values for the gradient. */
  kept?: K;
}

/** What `defineOp` takes. */
export interface OpSpec<I extends Inputs, O, Y extends Outputs, S extends Readonly<Record<string, Tensor | null>>, K> {
  /** The function's name: error prefix, test title, benchmark row. */
  readonly name: string;
  /** In the order of error messages. */
  readonly inputs: I;
  /**
   * The type that `autocast` runs it in: "low" in the region's, "f32" where half types lose range or sums. Absent: in its
   * inputs' own, the widest where they differ.
   */
  readonly autocast?: AutocastRule;
  /** Enqueues the forward. `saves` is held until the gradient has run; `kept` are plain values for it. */
  forward(inputs: InputTensors<I>, options: O, context: ForwardContext): Forward<Y, S, K>;
  /** Gradients of the inputs asked for. Absent where the op has none. */
  gradient?(
    saved: S,
    dy: OutputGradients<Y>,
    context: GradientContext<I, O, K>,
  ): { readonly [N in keyof I]?: Tensor | null };
}

/** An op: a function of tensors by name, and what it was declared with. */
export interface Op<I extends Inputs = Inputs, O = unknown, Y extends Outputs = Outputs> {
  /** Checks, enqueues and returns: nothing waits. */
  (inputs: InputTensors<I>, options: O): Y;
  /** Its name in errors. */
  readonly opName: string;
  /** As declared. */
  readonly inputs: I;
  /** Whether it has a gradient. */
  readonly differentiable: boolean;
}

/** Of a saved tensor, which may be the output itself: the tape must not hold that, or nobody could lose it. */
interface Saved {
  readonly values: Values;
  readonly version: number;
}

/**
 * Makes an op of its declaration: checks dtype, rank, shape and device in this order, casts as `autocast` asks, runs the
 * forward, and records the gradient when an input asks for one.
 */
/* @__NO_SIDE_EFFECTS__ */
export function defineOp<
  const I extends Inputs,
  O,
  Y extends Outputs,
  S extends Readonly<Record<string, Tensor | null>>,
  K,
>(spec: OpSpec<I, O, Y, S, K>): Op<I, O, Y> {
  const { name } = spec;
  const names = Object.keys(spec.inputs);
  const schemas = names.map((n) => spec.inputs[n]);
  const fixed = new Set(names.filter((n) => spec.inputs[n].kind === "f32"));

  const op = (inputs: InputTensors<I>, options: O): Y => {
    const given = inputs as Readonly<Record<string, Tensor | null>>;
    const device = check(name, names, schemas, given);
    const dims = bind(name, names, schemas, given);
    return underAutocast(given, fixed, spec.autocast, (fitting) => apply(device, dims, fitting, options));
  };

  const apply = (
    device: Device,
    dims: Record<string, number>,
    given: Readonly<Record<string, Tensor | null>>,
    options: O,
  ): Y => {
    const tracked = spec.gradient !== undefined && names.some((n) => given[n]?.tracked) && recordingHistory();
    const bound = runOn(device);
    const forward = () =>
      spec.forward(given as InputTensors<I>, options, { device, dims, recording: tracked, run: bound });
    // Ops that the forward itself is made of have no history: this op's gradient stands for them.
    const { y, saves, kept } = tracked ? unrecorded(forward) : forward();
    if (!tracked) return y;

    device.countRecorded();
    const outputs = (Array.isArray(y) ? y : [y]) as readonly Tensor[];
    const tensors = names.map((n) => given[n] ?? null);
    const context = { device, dims, run: bound, options, kept: kept as K };
    attach(record(tensors, outputs.length, Array.isArray(y), hold(saves), context), outputs);
    return y;
  };

  /** The node of one call. A function of its own, whose closures see no tensor: it would live as long as they do. */
  const record = (
    tensors: readonly (Tensor | null)[],
    count: number,
    several: boolean,
    held: Record<string, Saved | null>,
    context: Omit<GradientContext<I, O, K>, "needs" | "into">,
  ): Node => {
    const rule = (dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[]) => {
      const needs = {} as Record<string, boolean>;
      const existing = {} as Record<string, Tensor | null>;
      names.forEach((n, i) => {
        needs[n] = node.inputs[i] !== null;
        existing[n] = into[i];
      });
      const dy = (several ? dys : dys[0]) as OutputGradients<Y>;
      const saved = restore(name, held);
      const whole = { ...context, needs, into: existing } as unknown as GradientContext<I, O, K>;
      const found = spec.gradient?.(saved as S, dy, whole);
      const gradients = names.map((n) => (found as Record<string, Tensor | null> | undefined)?.[n]);
      for (const t of Object.values(saved)) if (t && !gradients.includes(t)) t.dispose();
      return gradients;
    };
    const node: Node = new Node(name, tensors, count, rule, () => {
      for (const key in held) held[key]?.values.storage.release();
    });
    return node;
  };
  return Object.assign(op, { opName: name, inputs: spec.inputs, differentiable: spec.gradient !== undefined });
}

/** Outside of the functions that know tensors, which it would hold. */
const runOn =
  (device: Device): ForwardContext["run"] =>
  (pass, args, params, dtype) =>
    run(device, pass, args, params, dtype);

// ---------------------------------------------------------------------------------------------------------------------
// Checks

function check(
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

function bind(
  op: string,
  names: readonly string[],
  schemas: readonly InputSchema[],
  given: Readonly<Record<string, Tensor | null>>,
): Record<string, number> {
  const dims: Record<string, number> = {};
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
      if (known === undefined) dims[letter as string] = size;
      else if (known !== size) throw disagreement(op, names, schemas, given, String(letter), names[i]);
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

// ---------------------------------------------------------------------------------------------------------------------
// Saved tensors

function hold(saves: Readonly<Record<string, Tensor | null>> | undefined): Record<string, Saved | null> {
  const held: Record<string, Saved | null> = {};
  for (const key in saves) {
    const tensor = saves[key];
    if (tensor) tensor.storage.retain();
    held[key] = tensor && { values: valuesOf(tensor), version: tensor.storage.version };
  }
  return held;
}

/** The saved tensors under handles of their own, so that the user's may be gone and a rule may hand one on. */
function restore(op: string, held: Record<string, Saved | null>): Record<string, Tensor | null> {
  const out: Record<string, Tensor | null> = {};
  for (const key in held) {
    const saved = held[key];
    if (saved && saved.values.storage.version !== saved.version)
      throw new GradientError(
        `${op}: ${describe(key, saved.values.shape)} was changed in place after it was saved for the backward pass. Change a copy instead.`,
      );
    out[key] = saved && view(saved.values, saved.values.shape);
  }
  return out;
}

export type { DType, FloatDType };
