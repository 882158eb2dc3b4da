/** The tokenizer of a model folder, in the files that Hugging Face's libraries write. */
import { z } from "zod";
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { type AddedPiece, BYTES, ByteBpeTokenizer, byteBpeJson, type Split, type TokenizerJson } from "./byte-bpe.js";
import type { TextTokenizer } from "./text-tokenizer.js";

/** Who made the vocabulary: what is not written in its files follows from that. */
export type TokenizerFamily = "stablelm" | "phi";

interface Habits {
  readonly split: Split;
  /** Fills batches. Both families name the end of a text for that themselves, which a model has to learn. */
  readonly pad: string;
}

const HABITS: Readonly<Record<TokenizerFamily, Habits>> = {
  stablelm: { split: "arcade100k", pad: "<|reg0|>" },
  phi: { split: "gpt2", pad: "<|extra_0|>" },
};

export const habitsOf = (family: TokenizerFamily): Habits => HABITS[family];

export const END_OF_TEXT = "<|endoftext|>";

const Piece = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]);
const id = z.int().min(0);
const Ids = z.record(z.string(), id);
const Pieces = {
  eos_token: Piece.nullish(),
  pad_token: Piece.nullish(),
  unk_token: Piece.nullish(),
  bos_token: Piece.nullish(),
  additional_special_tokens: z.array(Piece).nullish(),
};
const SpecialPieces = z.looseObject(Pieces);
const Config = SpecialPieces.extend({
  added_tokens_decoder: z
    .record(z.string().regex(/^\d{1,9}$/), z.looseObject({ content: z.string(), special: z.boolean().optional() }))
    .optional(),
});
const Whole = z.looseObject({
  added_tokens: z.array(z.looseObject({ id, content: z.string(), special: z.boolean().default(false) })).default([]),
  model: z.looseObject({ type: z.literal("BPE"), vocab: Ids }),
});

/** A tokenizer, and the files that hold it: those that were read, with the piece that was added for padding. */
export interface LoadedTokenizer {
  /** Text to ids and back. */
  readonly tokenizer: TextTokenizer;
  /** Texts by name, to be written beside a model. */
  readonly files: Readonly<Record<string, string>>;
}

/** How a tokenizer's files are read. */
export interface TokenizerOptions {
  /** How texts are cut, where there is no `tokenizer.json` that says it; by the family. */
  readonly split?: Split;
}

/**
 * Reads `tokenizer.json`, or else `vocab.json` and `merges.txt`, with `added_tokens.json`, `special_tokens_map.json` and
 * `tokenizer_config.json` where they are there. Padding is the family's piece, which is added where the vocabulary lacks
 * it; one that is declared is kept unless it is the end of a text. Throws FileFormatError.
 */
export async function loadTokenizer(
  folder: string,
  family: TokenizerFamily,
  { split = HABITS[family].split }: TokenizerOptions = {},
): Promise<LoadedTokenizer> {
  const read = await readFiles(folder);
  const special = parsed(read, folder, "special_tokens_map.json", SpecialPieces) ?? {};
  const config = parsed(read, folder, "tokenizer_config.json", Config) ?? {};
  const whole = parsed(read, folder, "tokenizer.json", Whole);
  const json = whole ? (whole as TokenizerJson) : fromLists(read, folder, special, config, split);

  const eos = special.eos_token ?? config.eos_token ?? END_OF_TEXT;
  const declared = special.pad_token ?? config.pad_token ?? eos;
  const pad = declared === eos ? HABITS[family].pad : declared;
  const place = `${folder}/${whole ? "tokenizer.json" : "vocab.json"}`;
  checkBytes(json, place);
  const known = new Set([...Object.keys(json.model.vocab), ...json.added_tokens.map(({ content }) => content)]);
  if (!known.has(eos)) throw new io.FileFormatError(place, `it has no ${eos}, which ends a text`, COPY);
  const complete = known.has(pad) ? json : withPiece(json, pad);
  try {
    const tokenizer = new ByteBpeTokenizer(complete, { eos, pad, config });
    return { tokenizer, files: written(read, complete, { eos, pad }) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new io.FileFormatError(place, `it describes no tokenizer (${reason})`, COPY, { cause });
  }
}

const COPY = "Copy the tokenizer's files again, as the base model has them";

const FILES = [
  "tokenizer.json",
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
  "tokenizer_config.json",
] as const;
type Files = Partial<Record<(typeof FILES)[number], string>>;

/** Whether a folder has the files of a tokenizer, sound or not. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  const has = (name: (typeof FILES)[number]) => platform.exists(`${folder}/${name}`);
  return (await has("tokenizer.json")) || ((await has("vocab.json")) && (await has("merges.txt")));
}

async function readFiles(folder: string): Promise<Files> {
  const files: Files = {};
  for (const name of FILES) {
    const path = `${folder}/${name}`;
    if (await platform.exists(path)) files[name] = await io.readText(path, COPY);
  }
  if (!(await hasTokenizer(folder)))
    throw new io.FileFormatError(
      folder,
      "it has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt",
      COPY,
    );
  return files;
}

function parsed<T>(files: Files, folder: string, name: (typeof FILES)[number], schema: z.ZodType<T>): T | null {
  const text = files[name];
  return text === undefined ? null : io.parseWith(schema, io.parseJson(text, `${folder}/${name}`), `${folder}/${name}`);
}

/** From lists of pieces and of merges. Pieces that are declared special are found in a text whole. */
function fromLists(
  files: Files,
  folder: string,
  special: z.infer<typeof SpecialPieces>,
  config: z.infer<typeof Config>,
  split: Split,
): TokenizerJson {
  const vocab = parsed(files, folder, "vocab.json", Ids) as Record<string, number>;
  const merges = mergesOf(files["merges.txt"] as string, `${folder}/merges.txt`, vocab);
  const added = new Map<string, AddedPiece>();
  const specials = new Set(
    [special, config].flatMap(({ eos_token, pad_token, unk_token, bos_token, additional_special_tokens }) =>
      [eos_token, pad_token, unk_token, bos_token, ...(additional_special_tokens ?? [])].flatMap(
        (piece) => piece ?? [],
      ),
    ),
  );
  for (const [content, id] of Object.entries(parsed(files, folder, "added_tokens.json", Ids) ?? {}))
    added.set(content, { id, content, special: specials.has(content) });
  for (const [id, { content, special }] of Object.entries(config.added_tokens_decoder ?? {}))
    added.set(content, { id: Number(id), content, special: special ?? specials.has(content) });
  for (const content of [...specials, END_OF_TEXT])
    if (Object.hasOwn(vocab, content) && !added.has(content))
      added.set(content, { id: vocab[content], content, special: true });
  return byteBpeJson(
    vocab,
    merges,
    [...added.values()].sort((a, b) => a.id - b.id),
    split,
  );
}

function mergesOf(text: string, file: string, vocab: Readonly<Record<string, number>>): [string, string][] {
  return text.split(/\r?\n/).flatMap((line, i): [string, string][] => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return [];
    const [left, right, ...rest] = line.split(" ");
    if (!left || !right || rest.length > 0)
      throw new io.FileFormatError(`${file}:${i + 1}`, `${JSON.stringify(line)} is no pair of pieces`, COPY);
    if (!Object.hasOwn(vocab, left + right))
      throw new io.FileFormatError(
        `${file}:${i + 1}`,
        `"${left + right}" is not in vocab.json`,
        "Take both of one model",
      );
    return [[left, right]];
  });
}

/** Without its piece a byte would be lost. */
function checkBytes({ model: { vocab } }: TokenizerJson, place: string): void {
  const missing = BYTES.flatMap((char, byte) => (vocab[char] === undefined ? [byte] : []));
  if (missing.length === 0) return;
  const what = `${missing.length} of 256 bytes have no piece (${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ", ..." : ""})`;
  throw new io.FileFormatError(place, what, "It is no byte-level vocabulary: take that of StableLM-2 or Phi-2");
}

function withPiece(json: TokenizerJson, content: string): TokenizerJson {
  const ids = [...Object.values(json.model.vocab), ...json.added_tokens.map(({ id }) => id)];
  const id = ids.reduce((most, id) => Math.max(most, id), -1) + 1;
  const piece = { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { ...json, added_tokens: [...json.added_tokens, piece] };
}

/** The files as read, but that all pieces which were added are listed and padding is named. */
function written(read: Files, json: TokenizerJson, { eos, pad }: { eos: string; pad: string }): Record<string, string> {
  const pieces = json.added_tokens.filter(({ content }) => !Object.hasOwn(json.model.vocab, content));
  const special = JSON.parse(read["special_tokens_map.json"] ?? "{}");
  return {
    ...read,
    ...(read["tokenizer.json"] !== undefined && { "tokenizer.json": text(json) }),
    "added_tokens.json": text(Object.fromEntries(pieces.map(({ content, id }) => [content, id]))),
    "special_tokens_map.json": text({ ...special, eos_token: special.eos_token ?? eos, pad_token: pad }),
  };
}

const text = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
