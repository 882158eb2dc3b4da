import {
  ConsiliumError,
  concat,
  HostRandom,
  noGrad,
  OptionError,
  reshape,
  scope,
  type Tensor,
  tensor,
  topK,
  zeros,
} from "../../engine/index.js";
import type { Cache, LanguageModel } from "./language-model.js";
import { type Candidates, candidates, checkSampling, pick, probabilities, type SamplingOptions } from "./sampling.js";
import { StopStrings, type TokenText } from "./stop-strings.js";
import { TextStream } from "./text-stream.js";

/** What a sequence begins with: ids, or rows of embeddings [T, width] with images among them. */
export type Prompt = readonly number[] | Tensor;

/** How a text is generated. */
export interface GenerateOptions extends SamplingOptions {
  /** Tokens after the prompt, at most. Default 512. The model's positions bound them, too. */
  readonly maxNewTokens?: number;
  /** Ids that end a text; they belong to it. */
  readonly stopIds?: readonly number[];
  /** Texts that end it, by the published criterion (`StopStrings`). Needs `tokenizer`. */
  readonly stop?: readonly string[];
  /** For stop strings. */
  readonly tokenizer?: TokenText;
  /** Of the random choices. Sequence i of a batch has stream i of it: what it says does not depend on its neighbours' number. */
  readonly seed?: number;
  /** Rejects with its reason, before the next token. */
  readonly signal?: AbortSignal;
}

/** Why a text is over: a stop id, a stop string, or `maxNewTokens`. */
export type Finish = "eos" | "stop" | "length";

/** What was generated after a prompt. */
export interface Generated {
  /** Without the prompt, with the stop id. */
  readonly ids: readonly number[];
  /** Why it is over. */
  readonly finish: Finish;
}

/** A token of a sequence. */
export interface Token {
  /** Index of the prompt. */
  readonly sequence: number;
  /** The token. */
  readonly id: number;
  /** Not null with its last token. */
  readonly finish: Finish | null;
}

/** The logits of a model are no numbers. */
export class NotANumberError extends ConsiliumError {}

/** What `tokens` takes beside how a text is generated. */
export interface TokensOptions<C extends Cache> extends GenerateOptions {
  /**
   * Keys and values of what stands before the prompts, which the tokens go on from and are added to: the caller's, with room for
   * prompt and answer but its last token. Only for prompts of one length.
   */
  readonly cache?: C;
}

/**
 * Tokens as they are chosen, of one prompt or several side by side, each with its own length: shorter ones are padded on the left,
 * where the padding is hidden and not counted. The prompts' embeddings stay the caller's. Closing the iterator early frees its
 * cache.
 *
 * Throws OptionError, before any work, for a prompt that is empty or leaves no position for an answer; NotANumberError where
 * logits are NaN.
 */
export async function* tokens<C extends Cache>(
  model: LanguageModel<C>,
  prompts: readonly Prompt[],
  options: TokensOptions<C> = {},
): AsyncGenerator<Token> {
  const { stopIds = [], signal, seed = 0, cache: given } = options;
  const before = given?.length ?? 0;
  const lengths = prompts.map((p, i) => promptLength(p, i, model.positions - before));
  const longest = Math.max(...lengths);
  const most = newTokens(options, before + longest, model.positions);
  checkSampling(options);
  const stops = stopStrings(options);
  signal?.throwIfAborted();
  if (prompts.length === 0 || most === 0) return;

  const random = prompts.map((_, i) => new HostRandom(seed, i));
  const generated = prompts.map((): number[] => []);
  const done = prompts.map(() => false);
  const pads = lengths.map((length) => longest - length);
  if (given && pads.some((n) => n > 0))
    throw new OptionError("generate: prompts that go on from a cache have one length.");
  const capacity = longest + most - 1;
  const cache = given ?? model.newCache({ batch: prompts.length, capacity });
  const mask = maskOf(model, pads, capacity);
  try {
    let embeds = noGrad(() => scope(() => prefix(model, prompts, longest)));
    for (let n = 1; ; n++) {
      const logits = noGrad(() =>
        scope(() => model.next(embeds, { mask, positions: positionsOf(model, pads, cache, embeds.shape[1]), cache })),
      );
      embeds.dispose();
      const from = await choices(logits, options);
      signal?.throwIfAborted();
      for (const [i, choice] of from.entries()) {
        if (done[i]) continue;
        const id = choose(choice, options, random[i]);
        generated[i].push(id);
        const finish = stopIds.includes(id)
          ? "eos"
          : stops?.reached(generated[i])
            ? "stop"
            : n === most
              ? "length"
              : null;
        done[i] = finish !== null;
        yield { sequence: i, id, finish };
      }
      if (done.every(Boolean)) return;
      signal?.throwIfAborted();
      // A finished sequence goes on with its last token, unheard.
      const last = Int32Array.from(generated, (ids) => ids[ids.length - 1]);
      embeds = noGrad(() => scope(() => model.embed(tensor(last, { device: model.device, shape: [last.length, 1] }))));
    }
  } finally {
    if (!given) cache.dispose();
    mask?.dispose();
  }
}

/** All tokens of each prompt; see `tokens`. */
export async function generate<C extends Cache>(
  model: LanguageModel<C>,
  prompts: readonly Prompt[],
  options: GenerateOptions = {},
): Promise<Generated[]> {
  const out = prompts.map(() => ({ ids: [] as number[], finish: "length" as Finish }));
  for await (const { sequence, id, finish } of tokens(model, prompts, options)) {
    out[sequence].ids.push(id);
    if (finish) out[sequence].finish = finish;
  }
  return out;
}

/**
 * The text after one prompt, in pieces of whole characters as it is generated, without its stop string:
 *
 *     for await (const piece of streamText(model, ids, { tokenizer, stop: ["###"] })) process.stdout.write(piece);
 */
export async function* streamText<C extends Cache>(
  model: LanguageModel<C>,
  prompt: Prompt,
  options: GenerateOptions & { readonly tokenizer: TokenText },
): AsyncGenerator<string> {
  const text = new TextStream(options.tokenizer, stopStrings(options));
  for await (const { id, finish } of tokens(model, [prompt], options)) {
    const piece = text.push(id) + (finish ? text.end({ stopped: finish === "stop" }) : "");
    if (piece !== "") yield piece;
  }
}

function promptLength(prompt: Prompt, i: number, positions: number): number {
  const length = Array.isArray(prompt) ? prompt.length : (prompt as Tensor).shape[0];
  if (length === 0) throw new OptionError(`generate: prompt ${i} is empty. Begin with one token at least.`);
  if (length >= positions)
    throw new OptionError(
      `generate: prompt ${i} has ${length} positions of the model's ${positions}, which leaves none for an answer. Shorten it.`,
    );
  return length;
}

/** Tokens of an answer at most, behind `longest` positions. Throws OptionError for a number that is none. @internal */
export function newTokens({ maxNewTokens = 512 }: GenerateOptions, longest: number, positions: number): number {
  if (!(Number.isInteger(maxNewTokens) && maxNewTokens >= 0))
    throw new OptionError(`generate: \`maxNewTokens\` is ${maxNewTokens}; a whole number of 0 or more is needed.`);
  return Math.min(maxNewTokens, positions - longest);
}

function stopStrings({ stop = [], tokenizer }: GenerateOptions): StopStrings | null {
  if (stop.length === 0) return null;
  if (!tokenizer) throw new OptionError("generate: stop strings need a tokenizer.");
  if (stop.includes("")) throw new OptionError("generate: a stop string is empty.");
  return new StopStrings(tokenizer, stop);
}

/** The prompts' embeddings [B, longest, width], zeros on the left of shorter ones. */
function prefix<C extends Cache>(model: LanguageModel<C>, prompts: readonly Prompt[], longest: number): Tensor {
  const rows = prompts.map((prompt) => {
    if (!Array.isArray(prompt)) return prompt as Tensor;
    const ids = tensor(Int32Array.from(prompt as readonly number[]), {
      device: model.device,
      shape: [1, prompt.length],
    });
    const embeds = model.embed(ids);
    return reshape(embeds, embeds.shape.slice(1));
  });
  const padded = rows.map((t) => {
    const [T, width] = t.shape;
    const whole =
      T === longest ? t : concat([zeros([longest - T, width], { device: model.device, dtype: t.dtype }), t], 0);
    return reshape(whole, [1, longest, width]);
  });
  return padded.length === 1 ? padded[0] : concat(padded, 0);
}

function maskOf<C extends Cache>(
  { device }: LanguageModel<C>,
  pads: readonly number[],
  capacity: number,
): Tensor | null {
  if (pads.every((n) => n === 0)) return null;
  const mask = new Int32Array(pads.length * capacity).fill(1);
  pads.forEach((n, b) => {
    mask.fill(0, b * capacity, b * capacity + n);
  });
  return tensor(mask, { device, shape: [pads.length, capacity] });
}

function positionsOf<C extends Cache>(
  { device }: LanguageModel<C>,
  pads: readonly number[],
  cache: C,
  L: number,
): Tensor | null {
  if (pads.every((n) => n === 0)) return null;
  const positions = Int32Array.from({ length: pads.length * L }, (_, i) =>
    Math.max(0, cache.length + (i % L) - pads[Math.floor(i / L)]),
  );
  return tensor(positions, { device, shape: [pads.length, L] });
}

/** The tokens that each sequence may choose from; takes the logits [B, vocabulary]. */
async function choices(logits: Tensor, { temperature = 0, topK: k }: GenerateOptions): Promise<Candidates[]> {
  const [B, V] = logits.shape;
  const wanted = temperature === 0 ? 1 : Math.min(k ?? V, V);
  // Few are chosen on the device: the others need not leave it. NaN comes first.
  const few = wanted <= 64;
  const { values, indices } = few ? noGrad(() => scope(() => topK(logits, wanted))) : { values: logits, indices: null };
  try {
    const [numbers, ids] = await Promise.all([values.data(), indices?.data()]);
    return Array.from({ length: B }, (_, b) => {
      const row = numbers.subarray(b * (few ? wanted : V), (b + 1) * (few ? wanted : V)) as Float32Array;
      if (row.some(Number.isNaN))
        throw new NotANumberError(
          `generate: logits of sequence ${b} are NaN. The weights are damaged, or activations left the range of their type: try f32.`,
        );
      return ids ? { ids: ids.subarray(b * wanted, (b + 1) * wanted), logits: row } : candidates(row, wanted);
    });
  } finally {
    values.dispose();
    indices?.dispose();
    logits.dispose();
  }
}

function choose(from: Candidates, { temperature = 0, topP }: GenerateOptions, random: HostRandom): number {
  if (temperature === 0) return from.ids[0];
  return pick(from, probabilities(from, temperature, topP), random.uniform());
}
