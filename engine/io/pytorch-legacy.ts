/**
 * The file format of torch before 1.6 (torch/serialization.py, `_legacy_save`): five pickles (magic number, protocol,
 * machine, the object, the keys of its storages), then per storage a u64 count of elements and the elements.
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import { type FileSource, readRange } from "./file-source.js";
import { unpickle } from "./pickle.js";
import { type PickleHost, PickleTruncated } from "./pickle-host.js";
import { STORED_BYTES, type StoredDType } from "./stored-tensor.js";
import type { Storage } from "./strided-tensor.js";
import { type StorageLookup, type StorageType, storageBytes, torchHost } from "./torch-globals.js";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const FIRST_READ = 2 ** 20;
const MAX_PICKLE_BYTES = 2 ** 28;
/** PROTO 2, LONG1 of 10 bytes, MAGIC: how every such file starts. */
const HEAD = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

export const looksLikeLegacyPytorch = (head: Uint8Array) => HEAD.every((byte, i) => head[i] === byte);

interface RootStorage {
  readonly key: string;
  readonly dtype: StoredDType | null;
  readonly byteLength: number;
  /** Position in the file, known once the storages have been walked. */
  position: number | null;
}

interface Pickles {
  readonly tree: unknown;
  readonly keys: readonly unknown[];
  readonly roots: ReadonlyMap<string, RootStorage>;
  readonly end: number;
}

export async function readLegacyPytorch(source: FileSource): Promise<unknown> {
  const { tree, keys, roots, end } = await readPickles(source);
  let at = end;
  for (const key of keys) {
    const root = typeof key === "string" ? roots.get(key) : undefined;
    if (!root || root.position !== null)
      throw bad(source, `storage "${String(key).slice(0, 40)}" is listed, but not used once`);
    const countBytes = await readRange(source, at, 8, `the size of storage "${root.key}"`);
    const width = root.dtype ? STORED_BYTES[root.dtype] : 1;
    const bytes = Number(new DataView(countBytes.buffer, countBytes.byteOffset).getBigUint64(0, true)) * width;
    at += 8;
    if (bytes !== root.byteLength || at + bytes > source.size) {
      throw bad(
        source,
        `storage "${root.key}" of ${root.byteLength} bytes has ${bytes} at byte ${at} of ${source.size}`,
      );
    }
    root.position = at;
    at += bytes;
  }
  for (const { key, position } of roots.values()) {
    if (position === null) throw bad(source, `storage "${key}" is missing`);
  }
  return tree;
}

/** Their length is not written anywhere: reads a megabyte, and twice as much each time the pickles turn out longer. */
async function readPickles(source: FileSource): Promise<Pickles> {
  const most = Math.min(source.size, MAX_PICKLE_BYTES);
  for (let length = Math.min(FIRST_READ, most); ; length = Math.min(2 * length, most)) {
    const bytes = await readRange(source, 0, length, "the pickles");
    try {
      return parsePickles(source, bytes);
    } catch (error) {
      if (!(error instanceof PickleTruncated) || length === most) throw error;
    }
  }
}

function parsePickles(source: FileSource, bytes: Uint8Array): Pickles {
  const roots = new Map<string, RootStorage>();
  const plain: PickleHost = torchHost(source, () => {
    throw bad(source, "a storage in the header");
  });
  const magic = unpickle(bytes, 0, plain);
  if (magic.value !== MAGIC) throw bad(source, "the magic number of torch.save is missing");
  const protocol = unpickle(bytes, magic.end, plain);
  if (protocol.value !== PROTOCOL)
    throw bad(source, `protocol ${String(protocol.value).slice(0, 20)} is not ${PROTOCOL}`);
  const machine = unpickle(bytes, protocol.end, plain);
  if (!(machine.value instanceof Map) || machine.value.get("little_endian") !== true) {
    throw new FileFormatError(source.name, "it was not saved on a little-endian machine", "Save it again on one");
  }
  const object = unpickle(bytes, machine.end, torchHost(source, legacyStorages(source, roots)));
  const keys = unpickle(bytes, object.end, plain);
  if (!Array.isArray(keys.value)) throw bad(source, "the list of storages is missing");
  return { tree: object.value, keys: keys.value, roots, end: keys.end };
}

function legacyStorages(source: FileSource, roots: Map<string, RootStorage>): StorageLookup {
  return (type, key, elements, view) => {
    const byteLength = storageBytes(type, elements);
    const root = roots.get(key) ?? { key, dtype: type.dtype, byteLength, position: null };
    if (root.dtype !== type.dtype || root.byteLength !== byteLength) {
      throw bad(source, `storage "${key}" has two types or sizes`);
    }
    roots.set(key, root);
    const [first, count] = viewRange(source, view, elements);
    const begin = storageBytes(type, first);
    return partOf(source, root, type, begin, storageBytes(type, count));
  };
}

/** [offset, elements] of a view [key, offset, elements] into its root storage; the whole of it when there is none. */
function viewRange(source: FileSource, view: unknown, elements: number): readonly [number, number] {
  if (view === null || view === undefined) return [0, elements];
  const [, offset, count] = Array.isArray(view) ? view : [];
  const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(count) && offset >= 0 && count >= 0;
  if (!fits || offset + count > elements) throw bad(source, "a view lies outside its storage");
  return [offset, count];
}

function partOf(source: FileSource, root: RootStorage, type: StorageType, begin: number, byteLength: number): Storage {
  return {
    id: `${source.name}#${root.key}`,
    dtype: type.dtype,
    byteLength,
    byteOffset: begin,
    read: (offset, length) => {
      if (root.position === null) throw bad(source, `storage "${root.key}" is missing`);
      return readRange(source, root.position + begin + offset, length, `storage "${root.key}"`);
    },
  };
}

const bad = (source: FileSource, what: string) => new FileFormatError(source.name, what, DAMAGED);
