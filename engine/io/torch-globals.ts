/**
 * What a pickle written by torch.save may name, and what each name builds: tensors, storages, ordered dicts, sizes. The
 * list follows torch's own `weights_only` unpickler (torch/_weights_only_unpickler.py), less what no checkpoint needs.
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import type { FileSource } from "./file-source.js";
import { PickleFunction, type PickleHost } from "./pickle-host.js";
import { Internal } from "./pickle-tree.js";
import { STORED_BYTES, type StoredDType, type StoredTensor } from "./stored-tensor.js";
import { ExpansionBudget, type Storage, stridedTensor } from "./strided-tensor.js";

/** A global such as `torch.FloatStorage`. UntypedStorage counts bytes and leaves the type to the tensor. */
export class StorageType extends Internal {
  readonly description: string;
  readonly dtype: StoredDType | null;

  constructor(description: string, dtype: StoredDType | null) {
    super();
    this.description = description;
    this.dtype = dtype;
  }
}

class StorageValue extends Internal {
  readonly description = "a storage without a tensor";
  readonly storage: Storage;

  constructor(storage: Storage) {
    super();
    this.storage = storage;
  }
}

/** Finds the bytes of a storage. `view` is [key, offset, elements] in old files, where storages may be parts of others. */
export type StorageLookup = (type: StorageType, key: string, elements: number, view: unknown) => Storage;

const STORAGE_DTYPES: Readonly<Record<string, StoredDType | null>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
  UntypedStorage: null,
};

/** torch.dtype objects; as plain values in a tree they become their names. */
const DTYPES: Readonly<Record<string, StoredDType>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
  bool: "BOOL",
};

/** What messages and bounds need of a file. */
type FileSize = Pick<FileSource, "name" | "size">;

const TENSOR_CLASSES = new Set(["torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter"]);

export function torchHost({ name: file, size }: FileSize, lookup: StorageLookup): PickleHost {
  const functions = torchFunctions(file);
  return {
    file,
    fileBytes: size,
    global(module, name) {
      const path = `${module}.${name}`;
      const known = functions.get(path);
      if (known) return known;
      const isStorage = (module === "torch" || module === "torch.storage") && Object.hasOwn(STORAGE_DTYPES, name);
      if (isStorage) return new StorageType(path, STORAGE_DTYPES[name]);
      if (module === "torch" && Object.hasOwn(DTYPES, name)) return path;
      if (TENSOR_CLASSES.has(path)) return new StorageType(path, null);
      throw forbidden(file, path);
    },
    persistent(id) {
      if (!Array.isArray(id) || id.length < 5) throw bad(file, "a persistent id has an unknown form");
      const [kind, type, key, , elements, view] = id;
      if (kind === "module") throw forbidden(file, "the class of a whole saved module");
      if (kind !== "storage" || typeof key !== "string" || !isCount(elements)) {
        throw bad(file, "a persistent id names no storage");
      }
      if (!(type instanceof StorageType)) throw bad(file, `storage "${key}" has no type`);
      return new StorageValue(lookup(type, key, elements, view));
    },
  };
}

function torchFunctions(file: string): Map<string, PickleFunction> {
  const budget = new ExpansionBudget();

  const tensor = (args: unknown[], dtype: StoredDType | null): StoredTensor => {
    const [value, offset, shape, strides] = args;
    if (!(value instanceof StorageValue)) throw bad(file, "a tensor is built of something that is no storage");
    const type = dtype ?? value.storage.dtype;
    if (!type) throw bad(file, "a tensor of an untyped storage has no dtype");
    if (!isCount(offset) || !isShape(shape) || !isShape(strides)) throw bad(file, "a tensor has no proper shape");
    return stridedTensor(file, value.storage, type, offset, shape, strides, budget);
  };
  const first = (args: unknown[]) => {
    if (!isTensor(args[0])) throw bad(file, "a parameter holds no tensor");
    return args[0];
  };
  const list = (args: unknown[], charge: (items: number) => void): unknown[] => {
    const items = args.length === 0 ? [] : args[0];
    if (!Array.isArray(items)) throw bad(file, "a container is built of something that is no list");
    charge(items.length);
    return [...items];
  };

  const functions: Record<string, PickleFunction["call"]> = {
    "torch._utils._rebuild_tensor": (args) => tensor(args, null),
    "torch._utils._rebuild_tensor_v2": (args) => tensor(args, null),
    "torch._utils._rebuild_tensor_v3": (args) => tensor(args, dtypeOf(file, args[6])),
    "torch._utils._rebuild_parameter": first,
    "torch._utils._rebuild_parameter_with_state": first,
    /** (function, class, arguments, state): a tensor with Python attributes, which are dropped. */
    "torch._tensor._rebuild_from_type_v2": ([rebuild, , args], charge) => {
      if (!(rebuild instanceof PickleFunction) || !Array.isArray(args))
        throw bad(file, "a tensor is built in an unknown way");
      return first([rebuild.call(args, charge)]);
    },
    "torch.Size": list,
    "torch.device": ([type, index = null]) => {
      if (typeof type !== "string" || (index !== null && !isCount(index)))
        throw bad(file, "a device has no proper name");
      return index === null ? type : `${type}:${index}`;
    },
    "collections.OrderedDict": (args, charge) => orderedDict(file, list(args, charge)),
    /** Protocol 2 has no opcode for bytes: they are text in Latin-1. */
    "_codecs.encode": ([text, encoding], charge) => {
      if (typeof text !== "string" || encoding !== "latin1") throw bad(file, "bytes are not encoded as Latin-1");
      charge(text.length);
      return Uint8Array.from(text, (char) => char.charCodeAt(0));
    },
  };
  for (const module of ["builtins", "__builtin__"]) {
    functions[`${module}.set`] = list;
    functions[`${module}.frozenset`] = list;
    functions[`${module}.bytes`] = (args) => {
      if (args.length > 0) throw forbidden(file, "bytes of something");
      return new Uint8Array(0);
    };
  }
  return new Map(Object.entries(functions).map(([name, call]) => [name, new PickleFunction(name, call)]));
}

function orderedDict(file: string, pairs: unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw bad(file, "an ordered dict is built of something other than pairs");
    map.set(pair[0], pair[1]);
  }
  return map;
}

function dtypeOf(file: string, name: unknown): StoredDType {
  const dtype = typeof name === "string" ? DTYPES[name.replace(/^torch\./, "")] : undefined;
  // Only a string is shown: a container may be shared so often that its text never ends.
  const shown = typeof name === "string" ? name.slice(0, 40) : "that is no name";
  if (!dtype) throw bad(file, `a tensor has the unknown dtype ${shown}`);
  return dtype;
}

export const isTensor = (value: unknown): value is StoredTensor =>
  typeof value === "object" && value !== null && "dtype" in value && "memory" in value;

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** torch itself allows 64 dimensions. */
const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isCount);

/** Bytes of a storage of this type, for the lookups. */
export const storageBytes = (type: StorageType, elements: number) =>
  elements * (type.dtype ? STORED_BYTES[type.dtype] : 1);

const bad = (file: string, what: string) => new FileFormatError(file, `${what} (pickle)`, DAMAGED);

function forbidden(file: string, path: string): FileFormatError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}...` : path;
  const what = `pickle asks for ${shown}; only tensors, numbers, strings and containers are allowed`;
  const advice =
    "Loading it in Python would run code of the file: if you trust it, load it there and save only the state dict";
  return new FileFormatError(file, what, advice);
}
