import type { FileRange } from "../../bindings/device.js";
import { DAMAGED, FileFormatError } from "./errors.js";
import { didYouMean } from "./nearest.js";

/** Bytes per element of each type a checkpoint may hold, under the names of the safetensors format. */
export const STORED_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  U16: 2,
  U32: 4,
  U64: 8,
  BOOL: 1,
} as const;

/** A storage type, named as in the safetensors format. */
export type StoredDType = keyof typeof STORED_BYTES;

export const isStoredDType = (name: unknown): name is StoredDType =>
  typeof name === "string" && Object.hasOwn(STORED_BYTES, name);

/** What a writer needs of a tensor: `read` is called once, when its turn comes, so one tensor is in memory at a time. */
export interface WritableTensor {
  /** Its name in the file. */
  readonly name: string;
  /** How its elements are stored. */
  readonly dtype: StoredDType;
  /** Sizes, outermost first; empty for a single value. */
  readonly shape: readonly number[];
  /** Little-endian elements, row-major, without gaps. */
  read(): Promise<Uint8Array> | Uint8Array;
}

/** Where a tensor lay in its writer's memory. Offset and strides count elements. */
export interface TensorMemory {
  /** Tensors of one storage share memory. */
  readonly storage: string;
  /** First element in the storage. */
  readonly offset: number;
  /** Elements from one index to the next, for each dimension. */
  readonly strides: readonly number[];
}

/** A tensor in a file. Its values stay there until `read`, which may be called again and reads again. */
export interface StoredTensor extends WritableTensor {
  /** Bytes of its elements. */
  readonly byteLength: number;
  /** Where it lay: what tells tied tensors. */
  readonly memory: TensorMemory;
  read(): Promise<Uint8Array>;
  /**
   * Bytes [from, from + length) of them, where the file has them side by side: a large tensor need not be in memory whole.
   * `into` may be given to hold them.
   */
  readPart?(from: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Where open files have its bytes as they are, one range after the other: what `mapTensor` needs. */
  readonly ranges?: readonly FileRange[];
}

/** An open checkpoint: its tensors by name, read one by one. Close it, or hold it with `await using`. */
export interface CheckpointReader {
  /** The path; of a sharded checkpoint, that of its index. */
  readonly file: string;
  /** Found from the file's content. */
  readonly format: "safetensors" | "pytorch";
  /** Of all tensors, in the order of the file. */
  readonly names: readonly string[];
  /** Text that the writer added. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
  /** Throws FileFormatError for a name the checkpoint does not have, with the nearest one it has. */
  get(name: string): StoredTensor;
  /** Closes the files. Twice is harmless. */
  close(): Promise<void>;
  /** `await using` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Elements of a shape; NaN when a dimension is not a count or the product is beyond 2^53. */
export function elementCount(shape: readonly unknown[]): number {
  let count = 1;
  let exact = true;
  for (const size of shape) {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return Number.NaN;
    count *= size;
    // A later zero would hide an overflow: [2^40, 2^40, 0] is empty, but no tensor of any program.
    exact &&= Number.isSafeInteger(count);
  }
  return exact ? count : Number.NaN;
}

/** Strides of a row-major tensor without gaps, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= Math.max(1, shape[d]);
  }
  return strides;
}

/** Where open files have the bytes of `tensors`, one after the other; nothing where one has no such place. */
export function rangesOf(tensors: readonly StoredTensor[]): FileRange[] | undefined {
  return tensors.every(({ ranges }) => ranges) ? tensors.flatMap(({ ranges }) => ranges ?? []) : undefined;
}

/** Groups of two or more names that stand for one and the same tensor: tied weights. */
export function tiedTensors(tensors: Iterable<StoredTensor>): string[][] {
  const groups = new Map<string, string[]>();
  for (const { name, dtype, shape, byteLength, memory } of tensors) {
    if (byteLength === 0) continue;
    const key = JSON.stringify([memory.storage, memory.offset, memory.strides, shape, dtype]);
    const group = groups.get(key);
    if (group) group.push(name);
    else groups.set(key, [name]);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

export function createReader(
  file: string,
  format: CheckpointReader["format"],
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  close: () => Promise<void>,
): CheckpointReader {
  return {
    file,
    format,
    metadata,
    names: [...tensors.keys()],
    has: (name) => tensors.has(name),
    get(name) {
      const tensor = tensors.get(name);
      if (tensor) return tensor;
      const advice = `${didYouMean(name, tensors.keys())}It holds ${tensors.size} tensors, listed in \`names\``;
      throw new FileFormatError(file, `no tensor is called "${name}"`, advice);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Throws unless the bytes that came out of a file are the tensor's. */
export function checkLength(tensor: WritableTensor, bytes: Uint8Array, file: string): Uint8Array {
  const expected = elementCount(tensor.shape) * STORED_BYTES[tensor.dtype];
  if (bytes.byteLength === expected) return bytes;
  const found = `"${tensor.name}" ${tensor.dtype} [${tensor.shape}] needs ${expected} bytes, got ${bytes.byteLength}`;
  throw new FileFormatError(file, found, DAMAGED);
}
