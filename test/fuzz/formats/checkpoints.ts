import { readFileSync } from "node:fs";
import { io } from "../../../engine/index.js";
import { writable } from "../../../engine/io/convert.js";
import { safetensorsChunks } from "../../../engine/io/safetensors-writer.js";
import { elementCount, STORED_BYTES } from "../../../engine/io/stored-tensor.js";
import { collect } from "../../io/support/collect.js";
import { storage, storageId, tensor, torchLegacy, torchZip } from "../../io/support/torch-file.js";
import { type Format, promise } from "../format.js";
import { spoilt } from "../mutations/bytes.js";
import { isJson, mutateJson } from "../mutations/json.js";
import { mutatePickle } from "../mutations/pickle.js";
import { hasSafetensorsHeader, mutateSafetensors } from "../mutations/safetensors.js";
import { hasZipDirectory, mutateZip } from "../mutations/zip.js";

const fixture = (name: string) => ({ name, bytes: new Uint8Array(readFileSync(`test/io/fixtures/${name}`)) });

/** Every tensor of a checkpoint, as loading a model reads them. */
async function readTensors(path: string): Promise<number> {
  await using reader = await io.openCheckpoint(path);
  io.quantizationOf(reader);
  for (const name of reader.names) {
    const stored = reader.get(name);
    promise(stored.byteLength === elementCount(stored.shape) * STORED_BYTES[stored.dtype], `${name}: its size`);
    promise((await stored.read()).length === stored.byteLength, `${name}: its bytes`);
  }
  return reader.names.length;
}

const tensorsOf = (prefix: string) =>
  Array.from({ length: 6 }, (_, i) =>
    writable(`${prefix}.${i}`, [2, i], Float32Array.from({ length: 2 * i }, Math.sin), i % 2 ? "BF16" : "F32"),
  );
const safetensorsOf = (prefix: string) =>
  collect(safetensorsChunks(prefix, tensorsOf(prefix), { metadata: { format: "pt" } }));

export const safetensors: Format = {
  name: "safetensors",
  share: 10,
  header: "length field, and a header that is a JSON object",
  samples: async () => [{ name: "model.safetensors", bytes: await safetensorsOf("layer") }],
  mutate: mutateSafetensors,
  isPastHeader: hasSafetensorsHeader,
  read: readTensors,
};

/** The state dict of a layer as its storages have it: two tensors of one storage, one that is repeated. */
function stateDict() {
  const [a, b] = [
    storage("0", "FloatStorage", new Float32Array(24)),
    storage("1", "LongStorage", new BigInt64Array(3)),
  ];
  const state = new Map([
    ["weight", tensor(storageId(a), 0, [4, 3], [3, 1])],
    ["part", tensor(storageId(a), 12, [3, 4], [1, 3])],
    ["repeated", tensor(storageId(b), 0, [1000, 3], [0, 1])],
  ]);
  return { tree: new Map([["model", state]]), storages: [a, b] };
}

export const pytorch: Format = {
  name: "pytorch",
  share: 10,
  header: "the directory at the end of the zip file",
  samples() {
    const { tree, storages } = stateDict();
    return [
      ...["stored-protocol-2.pth", "deflated-protocol-4.pth", "zip64-protocol-5.pth"].map(fixture),
      { name: "layer.pth", bytes: torchZip(tree, storages, { deflate: true }) },
    ];
  },
  mutate: (bytes, random) =>
    mutateZip(bytes, random, (name, inside) =>
      name.endsWith("data.pkl") ? mutatePickle(inside, random) : spoilt(inside, random),
    ),
  isPastHeader: hasZipDirectory,
  read: readTensors,
};

/** What every such file starts with, as a pickle of its own. */
const LEGACY_HEAD = 15;

export const legacyPytorch: Format = {
  name: "pytorch before 1.6",
  share: 6,
  header: "the magic number",
  samples() {
    const { tree, storages } = stateDict();
    return [fixture("legacy.pth"), { name: "layer.pth", bytes: torchLegacy(tree, storages) }];
  },
  mutate(bytes, random) {
    if (random.chance(0.3)) return spoilt(bytes, random, LEGACY_HEAD);
    // The third pickle says on which machine it was written, the fourth holds the tensors, the fifth their storages.
    const ends = pickleEnds(bytes);
    const [from, to] = random.pick([
      [ends[1], ends[2]],
      [ends[2], ends[3]],
      [ends[2], ends[3]],
      [ends[3], ends[4]],
    ]);
    const changed = mutatePickle(bytes.subarray(from, to), random);
    const out = new Uint8Array(from + changed.length + bytes.length - to);
    out.set(bytes.subarray(0, from));
    out.set(changed, from);
    out.set(bytes.subarray(to), from + changed.length);
    return out;
  },
  isPastHeader: (bytes) =>
    bytes[0] === 0x80 && bytes[LEGACY_HEAD - 1] === 0x2e && bytes[4] === 0x6c && bytes[13] === 0x19,
  read: readTensors,
};

/** Where the five pickles of a sound file end: each begins with the mark of its protocol. */
function pickleEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  for (let at = 1; ends.length < 5 && at < bytes.length; at++)
    if (
      bytes[at - 1] === 0x2e &&
      (bytes[at] === 0x80 || ends.length === 4) &&
      (ends.length === 4 || bytes[at + 1] === 2)
    )
      ends.push(at);
  return ends;
}

export const shards: Format = {
  name: "shards",
  share: 4,
  header: "JSON, an object",
  async samples() {
    const beside = {
      "model-1.safetensors": await safetensorsOf("first"),
      "model-2.safetensors": await safetensorsOf("second"),
    };
    const weight_map = Object.fromEntries(
      ["first", "second"].flatMap((prefix, i) =>
        tensorsOf(prefix).map(({ name }) => [name, `model-${i + 1}.safetensors`]),
      ),
    );
    const index = JSON.stringify({ metadata: { total_size: 200 }, weight_map });
    return [{ name: "model.safetensors.index.json", bytes: new TextEncoder().encode(index), beside }];
  },
  mutate: mutateJson,
  isPastHeader: (bytes) => isJson(bytes, "object"),
  read: readTensors,
};
