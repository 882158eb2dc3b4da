/**
 * Opens any checkpoint: a file, recognised by its content, or a folder in the layout of the model hubs. Values stay on
 * disk until a tensor is read.
 */
import { platform } from "#platform";
import { FileFormatError } from "./errors.js";
import { type FileSource, readRange } from "./file-source.js";
import { parseJson } from "./json.js";
import { looksLikeZip, openPytorchCheckpoint } from "./pytorch.js";
import { looksLikeLegacyPytorch } from "./pytorch-legacy.js";
import { readText, reasonOf } from "./read-file.js";
import { looksLikeSafetensors, openSafetensors } from "./safetensors.js";
import { type CheckpointReader, createReader, type StoredTensor } from "./stored-tensor.js";

export type { CheckpointReader, StoredDType, StoredTensor, WritableTensor } from "./stored-tensor.js";

/** What `openCheckpoint` takes besides the path. */
export interface OpenOptions {
  /** Where files are looked for and opened. Default: by their paths on this machine, in a page by their URLs. */
  readonly files?: CheckpointFiles;
  /** PyTorch files only: where the state dict is, as in `flattenStateDict`. */
  readonly key?: string;
}

/** Files that are read in parts, wherever they are. */
export interface CheckpointFiles {
  /** Whether there is one at the path. */
  exists(path: string): Promise<boolean>;
  /** Opens it. Rejects with FileError where that fails. */
  openFile(path: string): Promise<FileSource>;
}

/** In a folder, the first of these is the checkpoint. */
const FOLDER_FILES = [
  "model.safetensors",
  "model.safetensors.index.json",
  "adapter_model.safetensors",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "adapter_model.bin",
  "mm_projector.bin",
];
/** Not looked into as a folder: in a page each look is a request. */
const A_FILE = /\.(safetensors|bin|pth?|ckpt|json)$/;
const INDEX_SUFFIX = ".index.json";
const HEAD_BYTES = 16;

const OTHER_FORMATS: readonly (readonly [start: string, what: string, advice: string])[] = [
  ["version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch it with `git lfs pull`"],
  ["<", "an HTML or XML page", "The download failed: fetch the file itself, not its page"],
  ["GGUF", "a GGUF file", "Use the safetensors or PyTorch file of the model"],
  ["\x89HDF", "an HDF5 file", "Convert it to safetensors"],
  ["\x80", "a pickle that torch.save did not write", "Save it with torch.save"],
];

/**
 * The checkpoint at `path`: a safetensors or PyTorch file, the `*.index.json` of one in several shards, or a folder that
 * holds one of those. Throws FileFormatError for anything else and for damaged files.
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<CheckpointReader> {
  const { files = platform } = options;
  for (const name of A_FILE.test(path) ? [] : FOLDER_FILES) {
    const file = join(path, name);
    if (await files.exists(file)) return openAny(file, options);
  }
  return openAny(path, options);
}

const openAny = (file: string, options: OpenOptions) =>
  file.endsWith(INDEX_SUFFIX) ? openShards(file, options) : openFile(file, options);

async function openFile(file: string, options: OpenOptions): Promise<CheckpointReader> {
  const { files = platform } = options;
  const source = await files.openFile(file).catch((cause) => {
    throw cannotOpen(file, cause);
  });
  try {
    const headBytes = Math.min(HEAD_BYTES, source.size);
    const head = await readRange(source, 0, headBytes, "the first bytes").catch((cause) => {
      throw cannotOpen(file, cause);
    });
    if (looksLikeSafetensors(head)) return await openSafetensors(source);
    if (looksLikeZip(head) || looksLikeLegacyPytorch(head)) return await openPytorchCheckpoint(source, options.key);
    throw unknownFormat(file, head);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A folder that holds none of the files comes here too: some systems open it and then refuse to read. */
function cannotOpen(file: string, cause: unknown): FileFormatError {
  const advice = `Give a checkpoint file, or a folder that holds one of ${FOLDER_FILES.join(", ")}`;
  return new FileFormatError(file, `cannot be opened: ${reasonOf(cause)}`, advice, { cause });
}

function unknownFormat(file: string, head: Uint8Array): FileFormatError {
  const text = new TextDecoder("latin1").decode(head);
  const known = OTHER_FORMATS.find(([start]) => text.startsWith(start.slice(0, HEAD_BYTES)));
  if (known) return new FileFormatError(file, `it is ${known[1]}`, known[2]);
  return new FileFormatError(
    file,
    "it is neither a safetensors nor a PyTorch file",
    "Check the path; the file may be damaged",
  );
}

async function openShards(indexFile: string, options: OpenOptions): Promise<CheckpointReader> {
  const index = parseIndex(
    await readText(indexFile, "It lists the files of the checkpoint: check the path"),
    indexFile,
  );
  const folder = indexFile.slice(0, Math.max(0, indexFile.lastIndexOf("/")));
  await checkShards(indexFile, folder, new Set(index.weights.map(([, file]) => file)), options);
  const shards = new Map<string, CheckpointReader>();
  const close = async () => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, file] of index.weights) {
      const shard = shards.get(file) ?? (await openFile(join(folder, file), options));
      shards.set(file, shard);
      tensors.set(name, shard.get(name));
    }
    const format = [...shards.values()][0]?.format ?? "safetensors";
    return createReader(indexFile, format, tensors, index.metadata, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Files that one message names. */
const MOST_MISSING = 100;

/** All at once: who downloads again should know everything that is missing. */
async function checkShards(
  indexFile: string,
  folder: string,
  files: ReadonlySet<string>,
  { files: { exists } = platform }: OpenOptions,
): Promise<void> {
  const missing: string[] = [];
  for (const file of files) if (!(await exists(join(folder, file)))) missing.push(file);
  if (missing.length)
    throw new FileFormatError(
      indexFile,
      `${missing.length} of the ${files.size} files that it names are not there: ${missing.slice(0, MOST_MISSING).join(", ")}${missing.length > MOST_MISSING ? ", ..." : ""}`,
      "Copy or download them to the same folder",
    );
}

/** { metadata?, weight_map: { tensor name: file name } }; file names must stay inside the folder. */
export function parseIndex(text: string, file: string) {
  const index = parseJson(text, file, { duplicateKeys: "error" }) as {
    metadata?: unknown;
    weight_map?: unknown;
  } | null;
  const bad = (what: string) => new FileFormatError(file, what, "Download the index again");
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) throw bad("it has no weight_map");
  const weights = Object.entries(map).map(([name, shard]): [string, string] => {
    const safe = typeof shard === "string" && /^[^/\\:\0]{1,255}$/.test(shard) && shard !== "." && shard !== "..";
    if (!safe)
      throw bad(
        `the file of "${name}" is ${JSON.stringify(shard).slice(0, 100)}, which is no name of a file beside the index`,
      );
    return [name, shard];
  });
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(index?.metadata ?? {})) {
    metadata[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return { weights, metadata };
}

const join = (folder: string, name: string) =>
  folder === "" || folder.endsWith("/") ? folder + name : `${folder}/${name}`;
