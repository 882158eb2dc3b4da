/** Files in the two layouts of torch.save, from a tree and the storages its tensors look into. */
import { concat } from "./collect.js";
import { global, type Picklable, persistent, pickle, reduce, tuple } from "./pickle-writer.js";
import { type ZipItem, type ZipLayout, zipFile } from "./zip-writer.js";

export interface TorchStorage {
  readonly key: string;
  /** FloatStorage, LongStorage, ... */
  readonly type: string;
  readonly elements: number;
  readonly bytes: Uint8Array;
}

const ordered = global("collections", "OrderedDict");
const rebuild = global("torch._utils", "_rebuild_tensor_v2");

export function storage(key: string, type: string, values: ArrayBufferView & { length: number }): TorchStorage {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { key, type, elements: values.length, bytes };
}

/** 0 to 11. */
export const twelve = storage(
  "0",
  "FloatStorage",
  Float32Array.from({ length: 12 }, (_, i) => i),
);

/** A dict of Python, as a tree holds it. */
export const dict = (entries: Record<string, Picklable>) => new Map<Picklable, Picklable>(Object.entries(entries));

export const storageId = ({ key, type, elements }: TorchStorage, ...view: Picklable[]) =>
  persistent(tuple("storage", global("torch", type), key, "cpu", elements, ...view));

export function tensor(from: Picklable, offset: number, shape: readonly number[], strides: readonly number[]) {
  return reduce(rebuild, from, offset, tuple(...shape), tuple(...strides), false, reduce(ordered));
}

export interface TorchLayout extends ZipLayout {
  readonly deflate?: boolean;
  readonly byteorder?: string;
  /** More entries, such as TorchScript's. */
  readonly extra?: readonly ZipItem[];
}

export function torchZip(
  tree: Picklable | Uint8Array,
  storages: readonly TorchStorage[],
  layout: TorchLayout = {},
): Uint8Array {
  const text = (value: string) => new TextEncoder().encode(value);
  const data = tree instanceof Uint8Array ? tree : pickle(tree);
  const items = [
    { name: "a/data.pkl", bytes: data },
    { name: "a/byteorder", bytes: text(layout.byteorder ?? "little") },
    ...storages.map(({ key, bytes }) => ({ name: `a/data/${key}`, bytes })),
    { name: "a/version", bytes: text("3\n") },
    ...(layout.extra ?? []),
  ];
  return zipFile(
    items.map((item) => ({ ...item, deflate: layout.deflate })),
    layout,
  );
}

export const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;

export function torchLegacy(
  tree: Picklable,
  storages: readonly TorchStorage[],
  machine = { little_endian: true },
): Uint8Array {
  const parts: Uint8Array[] = [
    pickle(LEGACY_MAGIC),
    pickle(1001),
    pickle(new Map(Object.entries(machine))),
    pickle(tree),
    pickle(storages.map(({ key }) => key)),
  ];
  for (const { elements, bytes } of storages) {
    const count = new Uint8Array(8);
    new DataView(count.buffer).setBigUint64(0, BigInt(elements), true);
    parts.push(count, bytes);
  }
  return concat(parts);
}
