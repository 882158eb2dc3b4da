import type { FloatDType } from "../../kernels/contract.js";
import { requireDevice } from "../arguments.js";
import type { Device } from "../device/device.js";
import { OptionError } from "../errors.js";
import { HostRandom } from "../random.js";
import { keep } from "../scope.js";
import { type Shape, sizeOf } from "../shape.js";
import { fromHost, setRequiresGrad, Tensor } from "../tensor.js";

/** How a parameter gets its first values. */
export type Init = (random: HostRandom) => number;

/** Every value the same. */
export const constant =
  (value: number): Init =>
  () =>
    value;
/** Normal, mean 0, standard deviation `std`. */
export const normal =
  (std: number): Init =>
  (random) =>
    std * random.normal();
/** Normal, drawn again where it lies outside ±2: torch.nn.init.trunc_normal_ with its default bounds, which are absolute. */
export const truncatedNormal =
  (std: number): Init =>
  (random) => {
    for (;;) {
      const x = std * random.normal();
      if (Math.abs(x) <= 2) return x;
    }
  };
/** PyTorch's default for linear layers and convolutions, weight and bias: uniform in ±1/√fanIn. */
export const kaimingUniform =
  (fanIn: number): Init =>
  (random) =>
    (2 * random.uniform() - 1) / Math.sqrt(fanIn);

/**
 * Makes parameters: which device they live on, their storage type, and the seed of their values. The n-th parameter draws
 * from stream n, so the values depend on the order of construction only.
 *
 * Half types are for models that only compute: optimisers keep f32 weights (mixed precision is `autocast`). Whatever type a
 * checkpoint has, it is converted as it is loaded. Throws OptionError where the device does not compute in `dtype`.
 *
 * With `empty`, parameters get no values, and memory at their first use: all that a model needs whose weights come from a file,
 * which may become the memory itself (`io.loadModel`'s `mapped`). With `drawn`, so many values of a parameter are drawn at most, and a larger
 * one repeats them: for steps that only tell memory and time.
 */
export class Initializer {
  /** Where the parameters live. */
  readonly device: Device;
  /** Their storage type. */
  readonly dtype: FloatDType;
  readonly #seed: number;
  readonly #empty: boolean;
  readonly #drawn: number;
  #streams = 0;
  /** How to draw the parameters that are to get their values later, while such are made. */
  #undrawn: Map<Tensor, () => Float32Array> | null = null;

  constructor(
    device: Device,
    seed = 0,
    {
      dtype = "f32",
      empty = false,
      drawn = Number.POSITIVE_INFINITY,
    }: { dtype?: FloatDType; empty?: boolean; drawn?: number } = {},
  ) {
    requireDevice("Initializer", device);
    this.device = device;
    this.dtype = dtype;
    this.#seed = seed;
    this.#empty = empty;
    this.#drawn = drawn;
    if (device.name !== "webgpu" || dtype === "f32") return;
    if (dtype === "bf16")
      throw new OptionError(
        "Initializer: webgpu computes in f32 and f16, not in bf16. Use one of these: a bf16 checkpoint is converted.",
      );
    if (!device.binding.limits?.f16)
      throw new OptionError(`Initializer: this adapter (${device.description}) has no shader-f16. Use f32.`);
  }

  /** A new parameter that asks for its gradient; its owner disposes it. */
  parameter(shape: Shape, init: Init): Tensor {
    if (this.#empty) return setRequiresGrad(keep(this.#unwritten(shape)));
    const stream = this.#streams++;
    const values = () => this.#values(sizeOf(shape), init, stream);
    if (!this.#undrawn) return setRequiresGrad(keep(fromHost(this.device, values(), shape, this.dtype)));
    const parameter = setRequiresGrad(keep(this.#unwritten(shape)));
    this.#undrawn.set(parameter, values);
    return parameter;
  }

  /**
   * What `make` makes, its parameters without values. `draw` gives the values that they would have had at once to those that
   * nothing was written to: for models most of which a file has. @internal
   */
  later<T>(make: () => T): { made: T; draw(): void } {
    const undrawn = new Map<Tensor, () => Float32Array>();
    this.#undrawn = undrawn;
    try {
      const made = make();
      const draw = () => {
        for (const [parameter, values] of undrawn) if (parameter.storage.version === 0) parameter.write(values());
      };
      return { made, draw };
    } finally {
      this.#undrawn = null;
    }
  }

  #values(size: number, init: Init, stream: number): Float32Array {
    const random = new HostRandom(this.#seed, stream);
    const values = new Float32Array(size);
    const drawn = Math.min(values.length, this.#drawn);
    for (let i = 0; i < drawn; i++) values[i] = init(random);
    for (let i = drawn; i < values.length; i += drawn) values.copyWithin(i, 0, Math.min(drawn, values.length - i));
    return values;
  }

  #unwritten(shape: Shape): Tensor {
    const size = sizeOf(shape);
    return new Tensor(this.device.allocateLater(size, this.dtype, "parameter"), shape, this.dtype, size);
  }
}

/** Throws OptionError where `value` is something else. */
export function requireInitializer(op: string, value: unknown): void {
  if (value instanceof Initializer) return;
  throw new OptionError(`${op}: the first argument is the initializer of its weights, new nn.Initializer(device).`);
}
