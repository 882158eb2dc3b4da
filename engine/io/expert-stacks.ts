import { FileFormatError } from "./errors.js";
import {
  type CheckpointReader,
  contiguousStrides,
  createReader,
  rangesOf,
  STORED_BYTES,
  type StoredTensor,
  type WritableTensor,
} from "./stored-tensor.js";

/** What published checkpoints call the linear layers of one expert. */
export interface ExpertNames {
  /** The gate of a gated activation; absent where there is none. */
  readonly gate?: string;
  /** In front of the activation. */
  readonly up: string;
  /** Behind it. */
  readonly down: string;
}

/** Where a checkpoint has each expert, and where a model has the stacks of `nn.Experts`. */
export interface ExpertLayout {
  /** Path of an expert below its layer, with {e} for its number: `mlp.experts.{e}`. */
  readonly expert: string;
  /** Path of the stacks below the same layer: `mlp.experts`. */
  readonly stacks: string;
  /** Of an expert's linear layers. */
  readonly names: ExpertNames;
}

/** Names of experts' layers by the models that have them. */
export const expertNames: Readonly<Record<"projections" | "mixtral" | "fc", ExpertNames>> = {
  /** Llama, StableLM, OLMoE, Qwen3-MoE, DeepSeek. */
  projections: { gate: "gate_proj", up: "up_proj", down: "down_proj" },
  /** Mixtral: `block_sparse_moe.experts.{e}`. */
  mixtral: { gate: "w1", up: "w3", down: "w2" },
  /** Phi and other MLPs of two layers. */
  fc: { up: "fc1", down: "fc2" },
};

/** The parts of each stack, in the order of its rows. */
const partsOf = ({ gate, up, down }: ExpertNames): Readonly<Record<string, readonly string[]>> => ({
  up: [...(gate ? [`${gate}.weight`] : []), `${up}.weight`],
  upBias: [...(gate ? [`${gate}.bias`] : []), `${up}.bias`],
  down: [`${down}.weight`],
  downBias: [`${down}.bias`],
});

/** A tensor of a checkpoint that is a part of a stack. */
export interface ExpertTensor {
  /** As the checkpoint has it. */
  readonly name: string;
  /** Of an expert's linear layer: [rows, columns], of its bias [rows]. */
  readonly shape: readonly number[];
}

/**
 * The tensors of a checkpoint whose values, one after the other, are those of the parameter at `path`; null where that is no
 * stack of experts.
 */
export function expertTensors(
  path: string,
  [E, rows, ...rest]: readonly number[],
  { expert, stacks, names }: ExpertLayout,
): ExpertTensor[] | null {
  const parts = partsOf(names);
  const [, prefix, stack] =
    new RegExp(`^(.*?)${escaped(stacks)}\\.(${Object.keys(parts).join("|")})$`).exec(path) ?? [];
  if (stack === undefined) return null;
  const shape = [rows / parts[stack].length, ...rest];
  return namesOf(prefix, expert, parts[stack], E).map((name) => ({ name, shape }));
}

/** All of the parts of expert 0, then those of expert 1, ... */
const namesOf = (prefix: string, expert: string, parts: readonly string[], count: number): string[] =>
  Array.from({ length: count }, (_, e) =>
    parts.map((part) => `${prefix}${expert.replace("{e}", String(e))}.${part}`),
  ).flat();

const escaped = (text: string) => text.replace(/[.*+?^$()[\]\\|]/g, "\\$&");

/**
 * A checkpoint with a tensor for each expert, seen as one with the stacks of `nn.Experts`: `L.mlp.experts.0.gate_proj.weight` and its
 * like become `L.mlp.experts.up` [E, 2 hidden, width]. Values are read, and joined, when a stack is; other tensors stay. It closes
 * with `reader`.
 *
 * Throws FileFormatError for a number that is missing among the experts, and for experts of different shapes or types.
 */
export function stackExperts(reader: CheckpointReader, { expert, stacks, names }: ExpertLayout): CheckpointReader {
  const pattern = new RegExp(`^(.*?)${escaped(expert).replace("{e}", "(\\d+)")}\\.(.+)$`);
  const stackOf = new Map(
    Object.entries(partsOf(names)).flatMap(([stack, parts]) => parts.map((part) => [part, { stack, parts }] as const)),
  );
  const tensors = new Map<string, StoredTensor>();
  const found = new Map<string, { prefix: string; parts: readonly string[]; count: number }>();
  for (const name of reader.names) {
    const [, prefix, number, part] = pattern.exec(name) ?? [];
    const stack = part === undefined ? undefined : stackOf.get(part);
    if (!stack) {
      tensors.set(name, reader.get(name));
      continue;
    }
    const key = `${prefix}${stacks}.${stack.stack}`;
    const count = Math.max(found.get(key)?.count ?? 0, Number(number) + 1);
    found.set(key, { prefix, parts: stack.parts, count });
  }
  for (const [name, { prefix, parts, count }] of found)
    tensors.set(name, joined(reader, name, namesOf(prefix, expert, parts, count), count));
  return createReader(reader.file, reader.format, tensors, reader.metadata, () => reader.close());
}

function joined(
  { file, ...reader }: CheckpointReader,
  name: string,
  names: readonly string[],
  count: number,
): StoredTensor {
  const missing = names.find((piece) => !reader.has(piece));
  if (missing) throw new FileFormatError(file, `"${missing}" is missing among the experts`, "Use the whole checkpoint");
  const pieces = names.map((piece) => reader.get(piece));
  const [{ shape, dtype }] = pieces;
  const other = pieces.find((piece) => piece.dtype !== dtype || piece.shape.join() !== shape.join());
  if (other)
    throw new FileFormatError(
      file,
      `"${other.name}" is ${other.dtype} [${other.shape}], "${pieces[0].name}" ${dtype} [${shape}]`,
      "Experts of one layer have one shape and type",
    );
  const [rows, ...rest] = shape;
  const stacked = [count, (pieces.length / count) * rows, ...rest];
  const byteLength = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  return {
    name,
    dtype,
    shape: stacked,
    byteLength,
    memory: { storage: name, offset: 0, strides: contiguousStrides(stacked) },
    ranges: rangesOf(pieces),
    read: () => readJoined(pieces, 0, byteLength),
    // Where one has to be read whole, each part of it would read it again.
    ...(pieces.every(({ readPart }) => readPart) && {
      readPart: (from: number, length: number, into?: Uint8Array) => readJoined(pieces, from, length, into),
    }),
  };
}

/** Bytes [from, from + length) of tensors that follow each other. */
async function readJoined(
  pieces: readonly StoredTensor[],
  from: number,
  length: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = into ? into.subarray(0, length) : new Uint8Array(length);
  let start = -from;
  for (const piece of pieces) {
    const [first, last] = [Math.max(0, -start), Math.min(piece.byteLength, length - start)];
    if (first < last) await readInto(bytes.subarray(start + first, start + last), piece, first);
    start += piece.byteLength;
  }
  return bytes;
}

async function readInto(place: Uint8Array, piece: StoredTensor, from: number): Promise<void> {
  const bytes = await (piece.readPart ? piece.readPart(from, place.length, place) : piece.read());
  const there = bytes.buffer === place.buffer && bytes.byteOffset === place.byteOffset;
  if (!there) place.set(bytes);
}

/**
 * The reverse, for a writer: stacks of `nn.Experts` among `tensors` become a tensor for each expert; others stay. A stack is
 * read once, when the first of its experts is written, and let go after the last.
 */
export function splitExperts(tensors: Iterable<WritableTensor>, layout: ExpertLayout): WritableTensor[] {
  return [...tensors].flatMap((tensor) => {
    const pieces = expertTensors(tensor.name, tensor.shape, layout);
    if (!pieces) return [tensor];
    const size = pieces[0].shape.reduce((a, b) => a * b, 1) * STORED_BYTES[tensor.dtype];
    let whole: Promise<Uint8Array> | null = null;
    let left = pieces.length;
    return pieces.map((piece, i) => ({
      ...piece,
      dtype: tensor.dtype,
      async read() {
        whole ??= Promise.resolve(tensor.read());
        const bytes = (await whole).slice(i * size, (i + 1) * size);
        if (--left === 0) whole = null;
        return bytes;
      },
    }));
  });
}
