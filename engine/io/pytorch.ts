/**
 * Files of torch.save: the zip format (torch 1.6 and later: `<name>/data.pkl` and one entry per storage) and the format
 * before it (pickles, then the storages one after another). Values stay in the file until a tensor is read.
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import { type FileSource, readRange } from "./file-source.js";
import { unpickle } from "./pickle.js";
import { readLegacyPytorch } from "./pytorch-legacy.js";
import { type CheckpointReader, createReader, type StoredTensor } from "./stored-tensor.js";
import type { Storage } from "./strided-tensor.js";
import { isTensor, type StorageLookup, storageBytes, torchHost } from "./torch-globals.js";
import { entryReader, readZipEntries, type ZipEntry } from "./zip.js";

/** The tree that was saved. Tuples and sets are arrays, dicts are Maps, a torch.dtype or device is its name. */
export type TreeValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | StoredTensor
  | TreeValue[]
  | Map<TreeValue, TreeValue>;

/** An open PyTorch file. */
export interface PytorchFile {
  /** What the file holds; tensors stay in it until they are read. */
  readonly tree: TreeValue;
  /** Tensors cannot be read afterwards. */
  close(): Promise<void>;
}

/** Real ones stay below a few megabytes: they hold names and shapes. */
const MAX_PICKLE_BYTES = 2 ** 26;
/** Of one that is compressed, in a file that is smaller. */
const MAX_INFLATED_BYTES = 2 ** 24;
const STATE_DICT_KEYS = ["model", "state_dict", "model_state_dict", "module"];

export const looksLikeZip = (head: Uint8Array) =>
  head[0] === 0x50 && head[1] === 0x4b && head[2] === 0x03 && head[3] === 0x04;

/** Everything in a `.pth`, `.pt` or `.bin` file; takes ownership of `source`. */
export async function openPytorch(source: FileSource): Promise<PytorchFile> {
  const head = await readRange(source, 0, Math.min(4, source.size), "the first bytes");
  const tree = looksLikeZip(head) ? await readZipFormat(source) : await readLegacyPytorch(source);
  return { tree: tree as TreeValue, close: () => source.close() };
}

/** The state dict in a PyTorch file as a checkpoint; `key` as in `flattenStateDict`. Takes ownership of `source`. */
export async function openPytorchCheckpoint(source: FileSource, key?: string): Promise<CheckpointReader> {
  const { tree, close } = await openPytorch(source);
  return createReader(source.name, "pytorch", flattenStateDict(tree, key, source.name), {}, close);
}

/**
 * The tensors of the state dict in `tree`, by name: the dict under `key`; else the tree itself if it has tensors; else
 * the dict under "model", "state_dict", "model_state_dict" or "module". Dicts inside it join their names with a dot;
 * what is no tensor is left out.
 */
export function flattenStateDict(tree: TreeValue, key?: string, file = "checkpoint"): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  const add = (dict: Map<TreeValue, TreeValue>, prefix: string) => {
    for (const [name, value] of dict) {
      const path = `${prefix}${keyText(name)}`;
      if (value instanceof Map) add(value, `${path}.`);
      else if (isTensor(value)) addTensor(path, value);
    }
  };
  const addTensor = (path: string, tensor: StoredTensor) => {
    if (tensors.has(path))
      throw new FileFormatError(file, `two tensors are called "${path}"`, "Save a flat state dict");
    tensors.set(path, { ...tensor, name: path });
  };
  add(findStateDict(tree, key, file), "");
  return tensors;
}

/** A container as a key has no name: its text could be as long as its sharing makes it. */
const keyText = (key: TreeValue): string => (typeof key === "object" && key !== null ? "(container)" : String(key));

function findStateDict(tree: TreeValue, key: string | undefined, file: string): Map<TreeValue, TreeValue> {
  if (!(tree instanceof Map)) {
    throw new FileFormatError(file, "it holds no dict at its top", "Save model.state_dict() with torch.save");
  }
  const hasTensors = [...tree.values()].some(isTensor);
  if (key === undefined && hasTensors) return tree;
  for (const candidate of key === undefined ? STATE_DICT_KEYS : [key]) {
    const dict = tree.get(candidate);
    if (dict instanceof Map) return dict;
  }
  const keys = [...tree.keys()].slice(0, 20).map(keyText).join(", ");
  const wanted = key === undefined ? "no state dict" : `no dict called "${key}"`;
  throw new FileFormatError(
    file,
    `it holds ${wanted}`,
    `Name the key of the state dict; the keys are ${keys || "none"}`,
  );
}

async function readZipFormat(source: FileSource): Promise<unknown> {
  const entries = await readZipEntries(source);
  const root = findRoot(source, entries);
  const order = entries.get(`${root}byteorder`);
  if (order) {
    const text = new TextDecoder().decode(await entryReader(source, order)(0, Math.min(16, order.byteLength)));
    if (text !== "little") {
      throw new FileFormatError(source.name, `its byte order is "${text}"`, "Save it again on a little-endian machine");
    }
  }
  const data = entries.get(`${root}data.pkl`) as ZipEntry;
  const most = Math.min(Math.max(source.size, MAX_INFLATED_BYTES), MAX_PICKLE_BYTES);
  if (data.byteLength > most) {
    const advice = "Save tensors, not Python lists of numbers";
    throw new FileFormatError(source.name, `its pickle has ${data.byteLength} bytes, ${most} are allowed`, advice);
  }
  const pickle = await entryReader(source, data)(0, data.byteLength);
  return unpickle(pickle, 0, torchHost(source, zipStorages(source, entries, root))).value;
}

/** All entries lie in one folder, named after the file that was written. */
function findRoot(source: FileSource, entries: ReadonlyMap<string, ZipEntry>): string {
  const pickles = [...entries.keys()].filter((name) => name === "data.pkl" || /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    const what = `a zip file with ${pickles.length} data.pkl entries, not one`;
    throw new FileFormatError(source.name, what, "Only zip files written by torch.save can be read");
  }
  const root = pickles[0].slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`)) {
    const advice = "Load it in Python with torch.jit.load and save its state_dict() with torch.save";
    throw new FileFormatError(source.name, "a TorchScript program, not a checkpoint", advice);
  }
  return root;
}

function zipStorages(source: FileSource, entries: ReadonlyMap<string, ZipEntry>, root: string): StorageLookup {
  const readers = new Map<string, ReturnType<typeof entryReader>>();
  return (type, key, elements) => {
    const entry = entries.get(`${root}data/${key}`);
    const byteLength = storageBytes(type, elements);
    if (!entry || byteLength > entry.byteLength) {
      const found = entry ? `has ${entry.byteLength} bytes` : "is missing";
      throw new FileFormatError(source.name, `storage "${key}" of ${byteLength} bytes ${found}`, DAMAGED);
    }
    const read = readers.get(key) ?? entryReader(source, entry);
    readers.set(key, read);
    const storage: Storage = { id: `${source.name}#${key}`, dtype: type.dtype, byteLength, byteOffset: 0, read };
    return storage;
  };
}
