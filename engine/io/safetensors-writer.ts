/**
 * Writes safetensors files: one tensor in memory at a time, the same bytes for the same tensors. Tensors are laid out by
 * element size, largest first, then by name, as the reference implementation does, so that each one is aligned.
 */
import { platform } from "#platform";
import { FileFormatError } from "./errors.js";
import { MAX_HEADER_BYTES } from "./safetensors.js";
import { checkLength, elementCount, STORED_BYTES, type WritableTensor } from "./stored-tensor.js";

/** What a file gets besides tensors. */
export interface SafetensorsOptions {
  /** Goes into `__metadata__`, keys sorted, and into the index of several files. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How tensors are spread over files. */
export interface ShardedOptions extends SafetensorsOptions {
  /** Bytes of values per shard; a single larger tensor has a shard of its own. Default 5 GB, as on the model hubs. */
  readonly maxShardBytes?: number;
}

const byteLength = (tensor: WritableTensor) => elementCount(tensor.shape) * STORED_BYTES[tensor.dtype];
const byCodePoint = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** One file. A reader of `path` sees the old file or the whole new one. */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<WritableTensor>,
  options: SafetensorsOptions = {},
): Promise<void> {
  await platform.writeFile(path, safetensorsChunks(path, tensors, options));
}

/**
 * `<folder>/model.safetensors` when everything fits into one shard, else `model-00001-of-00003.safetensors` ... and
 * `model.safetensors.index.json`, which is written last. Tensors keep their order across shards. Returns the file names.
 */
export async function writeShardedSafetensors(
  folder: string,
  tensors: Iterable<WritableTensor>,
  options: ShardedOptions = {},
): Promise<string[]> {
  const shards = splitIntoShards([...tensors], options.maxShardBytes ?? 5e9);
  const index = `${folder}/model.safetensors.index.json`;
  const single = `${folder}/model.safetensors`;
  const stale = shards.length > 1 ? single : index;
  if (await platform.exists(stale)) {
    throw new FileFormatError(
      stale,
      "the folder holds an older checkpoint of another layout",
      "Remove it, or write elsewhere",
    );
  }
  if (shards.length === 1) {
    await writeSafetensors(single, shards[0], options);
    return ["model.safetensors"];
  }
  const count = `${shards.length}`.padStart(5, "0");
  const names = shards.map((_, i) => `model-${`${i + 1}`.padStart(5, "0")}-of-${count}.safetensors`);
  for (const [i, shard] of shards.entries()) await writeSafetensors(`${folder}/${names[i]}`, shard, options);
  await platform.writeFile(index, [new TextEncoder().encode(indexJson(shards, names, options.metadata))]);
  return [...names, "model.safetensors.index.json"];
}

/** The bytes of a safetensors file, tensor by tensor; checks every name and size before the first one. */
export async function* safetensorsChunks(
  file: string,
  tensors: Iterable<WritableTensor>,
  options: SafetensorsOptions = {},
): AsyncGenerator<Uint8Array> {
  const ordered = [...tensors].sort(
    (a, b) => STORED_BYTES[b.dtype] - STORED_BYTES[a.dtype] || byCodePoint(a.name, b.name),
  );
  yield encodeHeader(file, ordered, options.metadata ?? {});
  for (const tensor of ordered) yield checkLength(tensor, await tensor.read(), file);
}

/** Length field and JSON, padded with spaces so that the values start at a multiple of 8. */
function encodeHeader(
  file: string,
  tensors: readonly WritableTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries: [string, unknown][] = [];
  const keys = Object.keys(metadata).sort(byCodePoint);
  if (keys.length > 0) entries.push(["__metadata__", Object.fromEntries(keys.map((key) => [key, metadata[key]]))]);
  const seen = new Set(["__metadata__"]);
  let begin = 0;
  for (const { name, dtype, shape } of tensors) {
    if (seen.has(name)) throw new FileFormatError(file, `two tensors are called "${name}"`, "Give each its own name");
    seen.add(name);
    const count = elementCount(shape);
    if (Number.isNaN(count)) {
      throw new FileFormatError(
        file,
        `tensor "${name}" has the shape [${shape}]`,
        "Sizes are whole numbers, 0 or more",
      );
    }
    const end = begin + count * STORED_BYTES[dtype];
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }]);
    begin = end;
  }
  // Joined by hand: an object would move names that look like numbers to the front.
  const json = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new FileFormatError(file, `a header of ${length} bytes is too large`, "Write the tensors in several files");
  }
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

function splitIntoShards(tensors: readonly WritableTensor[], maxBytes: number): WritableTensor[][] {
  const shards: WritableTensor[][] = [[]];
  let used = 0;
  for (const tensor of tensors) {
    const bytes = byteLength(tensor);
    if (used > 0 && used + bytes > maxBytes) {
      shards.push([]);
      used = 0;
    }
    shards[shards.length - 1].push(tensor);
    used += bytes;
  }
  return shards;
}

function indexJson(
  shards: readonly WritableTensor[][],
  files: readonly string[],
  metadata: SafetensorsOptions["metadata"],
): string {
  const pairs = shards.flatMap((shard, i) => shard.map((tensor) => [tensor.name, files[i]] as const));
  pairs.sort((a, b) => byCodePoint(a[0], b[0]));
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new FileFormatError("model.safetensors.index.json", "two tensors have one name", "Give each its own name");
  }
  const totalBytes = shards.flat().reduce((sum, tensor) => sum + byteLength(tensor), 0);
  return `${JSON.stringify({ metadata: { ...metadata, total_size: totalBytes }, weight_map: Object.fromEntries(pairs) }, null, 2)}\n`;
}
