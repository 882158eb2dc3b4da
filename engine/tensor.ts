import type { DType } from "../kernels/contract.js";
import { backward, type Node } from "./autograd/tape.js";
import type { Device } from "./device/device.js";
import type { Storage } from "./device/storage.js";
import { BYTES, decode, encode } from "./dtype.js";
import { DisposedError, DTypeError, ShapeError } from "./errors.js";
import { adopt, forget, type Scope } from "./scope.js";
import { checkShape, type Shape, sizeOf } from "./shape.js";

/** Host values: nested arrays of numbers, or a flat typed array with a shape. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** What is known of a tensor without the tensor: what the tape keeps of one. */
export type Values = Pick<Tensor, "storage" | "shape" | "dtype" | "size">;

/** What a tensor keeps alive. Apart from the tensor, so that the collector's net can let go of it. */
class Hold {
  readonly storage: Storage;
  /** Where the tensor came from, for the tape; null on leaves and under `noGrad`. */
  node: Node | null = null;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  release(): void {
    this.storage.release();
    this.node?.release();
    this.node = null;
  }
}

/**
 * An array of numbers on a device: row-major, contiguous. Ops are free functions; a tensor only has properties, ways to
 * leave the device (`data`, `item`, `to`), `backward` and its end of life.
 */
export class Tensor {
  /** Sizes, outermost first. */
  readonly shape: Shape;
  /** How its elements are stored. */
  readonly dtype: DType;
  /** @internal Memory, which views share. */
  readonly storage: Storage;
  /** Number of elements. */
  readonly size: number;
  /** Set on a leaf: `backward` fills `grad`. Results of ops inherit it through `node`. */
  requiresGrad = false;
  /** What `backward` added up; null before, and after `zeroGrad`. */
  grad: Tensor | null = null;
  /** Shown in error messages and reports. */
  label = "";
  /** @internal */
  readonly hold: Hold;
  /** The scope that frees it, and its neighbours there. @internal */
  scope: Scope | null = null;
  /** @internal */
  older: Tensor | null = null;
  /** @internal */
  younger: Tensor | null = null;
  /** Whether the collector tells when it is lost. @internal */
  watched = false;
  #disposed = false;

  /** @internal Tensors come from `tensor` and from ops. */
  constructor(storage: Storage, shape: Shape, dtype: DType, size = sizeOf(shape)) {
    this.hold = new Hold(storage);
    this.storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.size = size;
    adopt(this);
  }

  /** Where it lives. */
  get device(): Device {
    return this.storage.device;
  }

  /** Where it came from, for the tape; null on leaves and under `noGrad`. @internal */
  get node(): Node | null {
    return this.hold.node;
  }

  /** @internal */
  set node(node: Node | null) {
    this.hold.node = node;
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }

  /** Whether its hold on the memory is gone. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Whether the tape follows it: a leaf that asks for a gradient, or a result that depends on one. */
  get tracked(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /** Throws DisposedError when it is gone. `use` says who asked. */
  check(use: string): void {
    if (this.#disposed)
      throw new DisposedError(
        `${use}: ${this} was disposed. Return it from the scope, or hold it with keep() or using, to use it later.`,
      );
  }

  /** The values, row-major: floating types as f32. Waits for the device. */
  async data(): Promise<Float32Array | Int32Array | Uint32Array> {
    this.check("data");
    const bytes = await this.device.read(this.storage, this.size * BYTES[this.dtype], this.dtype);
    return decode(bytes, this.dtype);
  }

  /** The value of a tensor with one element. Waits for the device. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError(`item: ${this} has ${this.size} elements, not one. Use data(), or reduce it first.`);
    return (await this.data())[0];
  }

  /** A copy on another device, without history. */
  async to(device: Device): Promise<Tensor> {
    return fromHost(device, await this.data(), this.shape, this.dtype);
  }

  /** d(this)/d(leaf) into `leaf.grad` of every leaf it depends on, added to what is there. One element only. */
  backward(): void {
    this.check("backward");
    backward(this);
  }

  /** Overwrites the values in place, in the order of the device's work. */
  write(values: ArrayLike<number>): void {
    this.check("write");
    if (values.length !== this.size)
      throw new ShapeError(`write: ${this} holds ${this.size} elements, got ${values.length}.`);
    this.storage.changed();
    this.device.write(this.storage, encode(values, this.dtype), this.dtype);
  }

  /** Frees its hold on the memory. Twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    forget(this);
    this.hold.release();
    this.grad?.dispose();
    this.grad = null;
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Type, shape, device and label: `Tensor f32 [2, 3] cpu`. */
  toString(): string {
    return `Tensor ${this.dtype} [${this.shape.join(", ")}] ${this.storage.device.name}${this.label ? ` "${this.label}"` : ""}`;
  }

  /** As `toString`, for `console.log` in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Frees its gradient; in a warm-up only until that is over. */
export function clearGrad(t: Tensor): void {
  const { warming } = t.device.mode;
  if (warming) {
    warming.lend(t, null);
    return;
  }
  t.grad?.dispose();
  t.grad = null;
}

export const valuesOf = ({ storage, shape, dtype, size }: Tensor): Values => ({ storage, shape, dtype, size });

/** The same memory under another shape, without history: a handle of its own. */
export function view(t: Values, shape: Shape): Tensor {
  t.storage.retain();
  return new Tensor(t.storage, shape, t.dtype, t.size);
}

/** Uploads host values. */
export function fromHost(device: Device, values: ArrayLike<number>, shape: Shape, dtype: DType): Tensor {
  checkShape("tensor", shape);
  if (values.length !== sizeOf(shape))
    throw new ShapeError(`tensor: ${values.length} values do not fill shape [${shape.join(", ")}].`);
  const storage = device.allocate(values.length, dtype, "tensor");
  const out = new Tensor(storage, shape, dtype);
  try {
    if (values.length > 0) device.write(storage, encode(values, dtype), dtype);
  } catch (error) {
    out.dispose();
    throw error;
  }
  return out;
}

/** Where and how a new tensor is stored. */
export interface TensorOptions {
  /** An open device. */
  device: Device;
  /** Default: f32, or i32 for an Int32Array. */
  dtype?: DType;
  /** Needed for a flat typed array of more than one dimension. */
  shape?: Shape;
  /** Makes it a leaf whose `grad` is filled by `backward`. Default false. */
  requiresGrad?: boolean;
}

/** A tensor of host values: nested arrays, or a flat typed array with `shape`. */
export function tensor(values: NestedNumbers | ArrayLike<number>, options: TensorOptions): Tensor {
  const { device, shape } = options;
  const flat = ArrayBuffer.isView(values) ? (values as unknown as ArrayLike<number>) : null;
  const found = flat ? [flat.length] : nestedShape(values as NestedNumbers);
  const numbers = flat ?? (found.length ? (values as number[]).flat(found.length - 1) : [values as number]);
  const dtype = options.dtype ?? (values instanceof Int32Array ? "i32" : "f32");
  const out = fromHost(device, numbers as ArrayLike<number>, shape ?? found, dtype);
  if (options.requiresGrad) setRequiresGrad(out);
  return out;
}

export function setRequiresGrad(t: Tensor): Tensor {
  if (t.dtype !== "f32" && t.dtype !== "bf16" && t.dtype !== "f16")
    throw new DTypeError(`requiresGrad: ${t} holds integers; only floating types have gradients.`);
  t.requiresGrad = true;
  return t;
}

function nestedShape(values: NestedNumbers): number[] {
  if (typeof values === "number") return [];
  if (values.length === 0) return [0];
  const inner = nestedShape(values[0]);
  for (const v of values) {
    const other = nestedShape(v);
    if (other.length !== inner.length || other.some((d, i) => d !== inner[i]))
      throw new ShapeError(
        `tensor: nested arrays are ragged: rows of shape [${inner.join(", ")}] and [${other.join(", ")}].`,
      );
  }
  return [values.length, ...inner];
}

/** Uninitialised memory of the same shape and type, for kernels to fill. */
export function emptyLike(t: Tensor): Tensor {
  return new Tensor(t.device.allocate(t.size, t.dtype, t.label || "emptyLike"), t.shape, t.dtype, t.size);
}
