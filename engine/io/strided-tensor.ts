import { DAMAGED, FileFormatError } from "./errors.js";
import { contiguousStrides, elementCount, STORED_BYTES, type StoredDType, type StoredTensor } from "./stored-tensor.js";

/** Bytes of a file that several tensors may look into. */
export interface Storage {
  /** Names the memory: equal for storages, or parts of them, that overlap. */
  readonly id: string;
  readonly dtype: StoredDType | null;
  readonly byteLength: number;
  /** Where this storage begins in the memory called `id`. */
  readonly byteOffset: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Tensors of stride 0 (torch's `expand`) may be larger than their storage, so a tiny file could ask for terabytes. All
 * such tensors of a file together may have this many bytes; other tensors are bounded by the file.
 */
const MAX_EXPANDED_BYTES = 2 ** 25;

export class ExpansionBudget {
  private left = MAX_EXPANDED_BYTES;

  spend(bytes: number): boolean {
    this.left -= bytes;
    return this.left >= 0;
  }
}

/** A tensor over `storage`: element (i, j, ...) lies at offset + i strides[0] + j strides[1] + ...; bounds are checked. */
export function stridedTensor(
  file: string,
  storage: Storage,
  dtype: StoredDType,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  budget: ExpansionBudget,
): StoredTensor {
  const width = STORED_BYTES[dtype];
  const count = elementCount(shape);
  const last = lastElement(offset, shape, strides);
  const described = `a tensor ${dtype} [${shape}] with strides [${strides}] at ${offset}`;
  if (
    shape.length !== strides.length ||
    Number.isNaN(count) ||
    (count > 0 && (last + 1) * width > storage.byteLength)
  ) {
    throw new FileFormatError(
      file,
      `${described} does not fit into its storage of ${storage.byteLength} bytes`,
      DAMAGED,
    );
  }
  const byteLength = count * width;
  if (byteLength > storage.byteLength && !budget.spend(byteLength)) {
    const advice = "Save it with .contiguous(), or without the expanded dimension";
    throw new FileFormatError(file, `${described} repeats a storage of ${storage.byteLength} bytes too often`, advice);
  }
  return {
    name: storage.id,
    dtype,
    shape,
    byteLength,
    memory: { storage: storage.id, offset: storage.byteOffset / width + offset, strides },
    async read() {
      if (count === 0) return new Uint8Array(0);
      const span = await storage.read(offset * width, (last - offset + 1) * width);
      return isContiguous(shape, strides) ? span : gather(span, width, shape, strides, count);
    },
  };
}

function lastElement(offset: number, shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((last, size, d) => last + Math.max(0, size - 1) * strides[d], offset);
}

/** Strides of dimensions of size 1 do not matter. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  const expected = contiguousStrides(shape);
  return shape.every((size, d) => size === 1 || strides[d] === expected[d]);
}

/** Row-major copy of a strided tensor whose first element is the first of `span`. */
function gather(
  span: Uint8Array,
  width: 1 | 2 | 4 | 8,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
): Uint8Array {
  const out = new Uint8Array(count * width);
  // Not slice(): that of Node's Buffer is a view, and elements need aligned ones.
  const aligned = span.byteOffset % width === 0 ? span : new Uint8Array(span);
  switch (width) {
    case 1:
      copyStrided(aligned, out, shape, strides);
      break;
    case 2:
      copyStrided(elements(Uint16Array, aligned), elements(Uint16Array, out), shape, strides);
      break;
    case 4:
      copyStrided(elements(Uint32Array, aligned), elements(Uint32Array, out), shape, strides);
      break;
    case 8:
      // Integers, for a float64 register may change the bits of a NaN.
      copyStrided(elements(BigUint64Array, aligned), elements(BigUint64Array, out), shape, strides);
      break;
    default:
      width satisfies never;
  }
  return out;
}

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function elements<T>(type: ArrayType<T>, { buffer, byteOffset, byteLength }: Uint8Array): T {
  return new type(buffer, byteOffset, byteLength / type.BYTES_PER_ELEMENT);
}

/** An odometer over the outer dimensions around a plain loop over the last one. */
function copyStrided<T>(
  from: ArrayLike<T>,
  to: { [index: number]: T; readonly length: number },
  shape: readonly number[],
  strides: readonly number[],
): void {
  const index = new Array<number>(shape.length).fill(0);
  const last = shape.length - 1;
  const [size, stride] = [shape[last], strides[last]];
  let start = 0;
  for (let at = 0; at < to.length; ) {
    for (let i = 0; i < size; i++) to[at++] = from[start + i * stride];
    for (let d = last - 1; d >= 0; d--) {
      start += strides[d];
      if (++index[d] < shape[d]) break;
      start -= shape[d] * strides[d];
      index[d] = 0;
    }
  }
}
