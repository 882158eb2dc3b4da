/**
 * The safetensors format: u64 header length, JSON header { name: { dtype, shape, data_offsets } }, then the values.
 * The rules are those of the reference implementation (huggingface/safetensors): every byte of the values belongs to
 * exactly one tensor, in the order of the offsets. Only the header is read at opening.
 */
import { DAMAGED, FileFormatError } from "./errors.js";
import { type FileSource, readRange } from "./file-source.js";
import { parseJson } from "./json.js";
import {
  type CheckpointReader,
  checkLength,
  contiguousStrides,
  createReader,
  elementCount,
  isStoredDType,
  STORED_BYTES,
  type StoredDType,
  type StoredTensor,
} from "./stored-tensor.js";

export const MAX_HEADER_BYTES = 100_000_000;
const RESAVE = "Write the file again with a current version of safetensors";

interface Entry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Whether these first bytes of a file are a safetensors length field followed by a JSON object. */
export function looksLikeSafetensors(head: Uint8Array): boolean {
  if (head.length < 9) return false;
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  return length <= BigInt(MAX_HEADER_BYTES) && head[8] === 0x7b;
}

/** Reads and checks the header; takes ownership of `source`, which the reader's `close` closes. */
export async function openSafetensors(source: FileSource): Promise<CheckpointReader> {
  const file = source.name;
  const headerBytes = await headerLength(source);
  const header = parseHeader(await readRange(source, 8, headerBytes, "the header"), file);
  const dataStart = 8 + headerBytes;
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => parseEntry(name, value, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, source.size - dataStart, file);
  const tensors = new Map(entries.map((entry) => [entry.name, storedTensor(source, dataStart, entry)]));
  return createReader(file, "safetensors", tensors, parseMetadata(header.__metadata__, file), () => source.close());
}

async function headerLength(source: FileSource): Promise<number> {
  if (source.size < 8) throw new FileFormatError(source.name, `a file of ${source.size} bytes has no header`, DAMAGED);
  const head = await readRange(source, 0, 8, "the header length");
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    const advice = `At most ${MAX_HEADER_BYTES} are allowed: this is not a safetensors file, or it is damaged`;
    throw new FileFormatError(source.name, `the header claims ${length} bytes`, advice);
  }
  if (8 + Number(length) > source.size) {
    throw new FileFormatError(source.name, `the header claims ${length} bytes of a file of ${source.size}`, DAMAGED);
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FileFormatError(file, "the header is not UTF-8 text", DAMAGED, { cause });
  }
  if (!text.startsWith("{")) throw new FileFormatError(file, 'the header does not start with "{"', DAMAGED);
  return parseJson(text, `${file} (header)`, { duplicateKeys: "error" }) as Record<string, unknown>;
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined) return {};
  const isText = (entry: unknown) => typeof entry === "string";
  if (!isObject(value) || !Object.values(value).every(isText)) {
    throw new FileFormatError(file, "__metadata__ holds something other than strings", RESAVE);
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, file: string): Entry {
  const bad = (what: string, advice = DAMAGED) => new FileFormatError(file, `tensor "${name}": ${what}`, advice);
  if (!isObject(value)) throw bad("its header entry is not an object");
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const unknown = Object.keys(rest);
  if (unknown.length > 0) throw bad(`unknown field "${unknown[0]}" in the header`, RESAVE);
  if (!isStoredDType(dtype)) {
    throw bad(
      `dtype ${JSON.stringify(dtype)} is not supported`,
      `Convert it to one of ${Object.keys(STORED_BYTES).join(", ")}`,
    );
  }
  const count = Array.isArray(shape) ? elementCount(shape) : Number.NaN;
  if (Number.isNaN(count)) throw bad(`the shape ${excerpt(shape)} is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((o) => Number.isSafeInteger(o) && o >= 0)) {
    throw bad(`data_offsets ${excerpt(offsets)} are not two byte positions`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw bad(`data_offsets [${begin}, ${end}] are in the wrong order`);
  const bytes = count * STORED_BYTES[dtype];
  if (end - begin !== bytes) {
    throw bad(`${dtype} [${shape}] needs ${bytes} bytes, but data_offsets [${begin}, ${end}] hold ${end - begin}`);
  }
  return { name, dtype, shape: shape as number[], begin, end };
}

/** Entries in the order of their offsets must tile [0, dataBytes). */
function checkCoverage(entries: readonly Entry[], dataBytes: number, file: string): void {
  let position = 0;
  let previous = "the header";
  for (const { name, begin, end } of entries) {
    if (begin < position) {
      const overlap = `tensor "${name}" starts at ${begin}, inside ${previous}, which ends at ${position}`;
      throw new FileFormatError(file, overlap, RESAVE);
    }
    if (begin > position) {
      const gap = `${begin - position} bytes between ${previous} and tensor "${name}" belong to no tensor`;
      throw new FileFormatError(file, gap, RESAVE);
    }
    if (end > dataBytes) {
      throw new FileFormatError(
        file,
        `tensor "${name}" ends at ${end}, but there are ${dataBytes} bytes of values`,
        DAMAGED,
      );
    }
    position = end;
    previous = `tensor "${name}"`;
  }
  if (position < dataBytes) {
    throw new FileFormatError(file, `${dataBytes - position} bytes after ${previous} belong to no tensor`, RESAVE);
  }
}

function storedTensor(source: FileSource, dataStart: number, { name, dtype, shape, begin, end }: Entry): StoredTensor {
  const tensor: StoredTensor = {
    name,
    dtype,
    shape,
    byteLength: end - begin,
    memory: { storage: `${source.name}#${name}`, offset: 0, strides: contiguousStrides(shape) },
    async read() {
      const bytes = await readRange(source, dataStart + begin, end - begin, `tensor "${name}"`);
      return checkLength(tensor, bytes, source.name);
    },
    readPart: (from, length, into) =>
      readRange(source, dataStart + begin + from, length, `part of tensor "${name}"`, into),
    ranges:
      source.descriptor === undefined
        ? undefined
        : [{ descriptor: source.descriptor, offset: dataStart + begin, bytes: end - begin }],
  };
  return tensor;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const excerpt = (value: unknown) => (JSON.stringify(value) ?? "(missing)").slice(0, 80);
