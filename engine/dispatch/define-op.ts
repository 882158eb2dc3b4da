import type { Buffers, FloatDType, Params, Pass } from "../../kernels/contract.js";
import { recordingHistory, unrecorded } from "../autograd/recording.js";
import { release, restore, type SavedTensors, save } from "../autograd/saved-tensors.js";
import { attach, type Gradients, Node, type Rule } from "../autograd/tape.js";
import type { Device } from "../device/device.js";
import type { Tensor } from "../tensor.js";
import { type AutocastRule, underAutocast } from "./autocast.js";
import { bindDims, checkInputs } from "./check-inputs.js";
import type { Inputs, InputTensors } from "./op-schema.js";
import { type Arguments, type Numbers, type Results, run } from "./run.js";

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
    const device = checkInputs(name, names, schemas, given);
    const dims = bindDims(name, names, schemas, given);
    return underAutocast(given, fixed, spec.autocast, (fitting) => apply(device, dims, fitting, options));
  };

  const apply = (
    device: Device,
    dims: Readonly<Record<string, number>>,
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
    const rule = new Recorded(spec, names, Array.isArray(y), save(saves), device, dims, options, kept as K);
    attach(new Node(name, tensors, outputs.length, rule), outputs);
    return y;
  };

  return Object.assign(op, { opName: name, inputs: spec.inputs, differentiable: spec.gradient !== undefined });
}

/**
 * One call on the tape, and what its gradient needs. Fields and no closures: all calls of a step live until its backward, so
 * that the collector copies each of their bytes; and a closure would hold the tensors of the call.
 */
class Recorded<const I extends Inputs, O, Y extends Outputs, S extends Readonly<Record<string, Tensor | null>>, K>
  implements Rule
{
  readonly #spec: OpSpec<I, O, Y, S, K>;
  readonly #names: readonly string[];
  readonly #several: boolean;
  readonly #held: SavedTensors;
  readonly #device: Device;
  readonly #dims: Readonly<Record<string, number>>;
  readonly #options: O;
  readonly #kept: K;

  constructor(
    spec: OpSpec<I, O, Y, S, K>,
    names: readonly string[],
    several: boolean,
    held: SavedTensors,
    device: Device,
    dims: Readonly<Record<string, number>>,
    options: O,
    kept: K,
  ) {
    this.#spec = spec;
    this.#names = names;
    this.#several = several;
    this.#held = held;
    this.#device = device;
    this.#dims = dims;
    this.#options = options;
    this.#kept = kept;
  }

  gradients(dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[], inputs: readonly unknown[]): Gradients {
    const needs = {} as Record<string, boolean>;
    const existing = {} as Record<string, Tensor | null>;
    this.#names.forEach((n, i) => {
      needs[n] = inputs[i] !== null;
      existing[n] = into[i];
    });
    const dy = (this.#several ? dys : dys[0]) as OutputGradients<Y>;
    const saved = restore(this.#spec.name, this.#held);
    const context = {
      ...{ device: this.#device, dims: this.#dims, run: runOn(this.#device) },
      ...{ options: this.#options, kept: this.#kept, needs, into: existing },
    } as unknown as GradientContext<I, O, K>;
    const found = this.#spec.gradient?.(saved as S, dy, context);
    const gradients = this.#names.map((n) => (found as Record<string, Tensor | null> | undefined)?.[n]);
    for (const t of Object.values(saved)) if (t && !gradients.includes(t)) t.dispose();
    return gradients;
  }

  free(): void {
    release(this.#held);
  }
}

/** Outside of the functions that know tensors, which it would hold. */
const runOn =
  (device: Device): ForwardContext["run"] =>
  (pass, args, params, dtype) =>
    run(device, pass, args, params, dtype);
