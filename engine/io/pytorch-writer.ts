/**
 * Writes files of torch.save, in its zip format, for the code that reads nothing else: a flat state dict, a protocol-2 pickle
 * beside one entry per tensor, nothing compressed. For small files: all of it is in memory at once.
 */
import { platform } from "#platform";
import { FileFormatError } from "./errors.js";
import {
  checkLength,
  contiguousStrides,
  elementCount,
  type StoredDType,
  type WritableTensor,
} from "./stored-tensor.js";

const STORAGES: Readonly<Partial<Record<StoredDType, string>>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  I32: "IntStorage",
  I16: "ShortStorage",
  I8: "CharStorage",
  U8: "ByteStorage",
  BOOL: "BoolStorage",
};

/** A zip file without its 64-bit extension ends there. */
const MAX_BYTES = 2 ** 32 - 2 ** 20;

/** A state dict as `torch.load` reads it, `weights_only` too. Throws FileFormatError for 4 GB and more. */
export async function writePytorch(path: string, tensors: Iterable<WritableTensor>): Promise<void> {
  const all = [...tensors];
  const bytes: Uint8Array[] = [];
  for (const tensor of all) bytes.push(checkLength(tensor, await tensor.read(), path));
  if (bytes.reduce((sum, { byteLength }) => sum + byteLength, 0) > MAX_BYTES)
    throw new FileFormatError(path, "4 GB and more are too large for it", "Write safetensors instead");
  const root = path.replace(/^.*\//, "").replace(/\.[^.]*$/, "") || "archive";
  const text = (value: string) => new TextEncoder().encode(value);
  const { zipSync } = await import("fflate");
  const entries = {
    "data.pkl": new Pickle().stateDict(all, path),
    byteorder: text("little"),
    ...Object.fromEntries(bytes.map((values, i) => [`data/${i}`, values])),
    version: text("3\n"),
  };
  const named = Object.fromEntries(Object.entries(entries).map(([name, data]) => [`${root}/${name}`, data]));
  // A date of its own would make two files of the same tensors differ.
  await platform.writeFile(path, [zipSync(named, { level: 0, mtime: new Date(1980, 0, 1) })]);
}

/** Opcodes of the pickle protocol, as far as a state dict needs them. */
class Pickle {
  readonly #bytes: number[] = [0x80, 2];

  stateDict(tensors: readonly WritableTensor[], file: string): Uint8Array {
    this.#op("}", "(");
    tensors.forEach((tensor, key) => {
      this.#string(tensor.name);
      this.#tensor(tensor, `${key}`, file);
    });
    this.#op("u", ".");
    return Uint8Array.from(this.#bytes);
  }

  /** _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks). */
  #tensor({ name, dtype, shape }: WritableTensor, key: string, file: string): void {
    const storage = STORAGES[dtype];
    if (!storage)
      throw new FileFormatError(file, `tensor "${name}": PyTorch has no storage for ${dtype}`, "Convert it");
    this.#global("torch._utils", "_rebuild_tensor_v2");
    this.#op("(", "(");
    this.#string("storage");
    this.#global("torch", storage);
    this.#string(key);
    this.#string("cpu");
    this.#integer(elementCount(shape));
    this.#op("t", "Q");
    this.#integer(0);
    this.#tuple(shape);
    this.#tuple(contiguousStrides(shape));
    this.#op("\x89");
    this.#global("collections", "OrderedDict");
    this.#op(")", "R", "t", "R");
  }

  #op(...codes: string[]): void {
    for (const code of codes) this.#bytes.push(code.charCodeAt(0));
  }

  #tuple(values: readonly number[]): void {
    this.#op("(");
    for (const value of values) this.#integer(value);
    this.#op("t");
  }

  #global(module: string, name: string): void {
    this.#op("c");
    this.#bytes.push(...new TextEncoder().encode(`${module}\n${name}\n`));
  }

  #string(value: string): void {
    const utf8 = new TextEncoder().encode(value);
    this.#op("X");
    this.#word(utf8.length);
    this.#bytes.push(...utf8);
  }

  /** 32 bits with sign, or as many bytes as it takes. */
  #integer(value: number): void {
    if (value < 2 ** 31) {
      this.#op("J");
      this.#word(value);
      return;
    }
    this.#op("\x8a");
    this.#bytes.push(8);
    this.#word(value % 2 ** 32);
    this.#word(Math.floor(value / 2 ** 32));
  }

  #word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push((value >>> shift) & 0xff);
  }
}
