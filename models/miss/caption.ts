/** Captions of images, written by the decoder from image states as in pre-training; the ways and defaults of BLIP's. */
import { HostRandom, noGrad, OptionError, reshape, scope, slice, type Tensor } from "../../engine/index.js";
import { candidates, pick, probabilities } from "../generation/sampling.js";
import { generate, idTensor } from "./generate.js";
import type { MissNetwork } from "./network.js";
import type { MissTokenizer } from "./tokenizer.js";

/** How a caption is written. */
export interface CaptionOptions {
  /** What it begins with, which is not given back; BLIP's captioning says "a picture of ". Default "". */
  readonly prompt?: string;
  /** beam: the likeliest that a beam search finds. nucleus: drawn by chance from the likeliest tokens. Default beam. */
  readonly method?: "beam" | "nucleus";
  /** beam: its width. Default 3. */
  readonly beams?: number;
  /** nucleus: the likeliest tokens whose probabilities sum to it. Default 0.9. */
  readonly topP?: number;
  /** nucleus: logits of tokens that are there already are divided by it, negative ones multiplied. Default 1.1. */
  readonly repetitionPenalty?: number;
  /** nucleus: of what is drawn. Default 0. */
  readonly seed?: number;
  /** Ids at most, [DEC] and the prompt included. Default 30. */
  readonly maxLength?: number;
  /** Ids at least, counted alike. Default 10. */
  readonly minLength?: number;
  /** Stops between tokens; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** A caption. */
export interface Caption {
  /** Its text, without the prompt. */
  readonly caption: string;
  /** beam: exp of the mean log-probability per token. nucleus: null. */
  readonly probability: number | null;
}

/**
 * A caption from image states [1, N, width]. The network should be in `eval()` mode, and pre-trained, or tuned on captions: the
 * decoder of a model that was tuned on questions reads the states of the JTM, and says nothing of use here.
 */
export async function caption(
  network: MissNetwork,
  tokenizer: MissTokenizer,
  imageStates: Tensor,
  options: CaptionOptions = {},
): Promise<Caption> {
  const { prompt = "", method = "beam", beams = 3, maxLength = 30, minLength = 10, signal } = options;
  const start = tokenizer.pieceIds(prompt);
  check(network, start.length, options);
  const textOf = (ids: ArrayLike<number>) => tokenizer.decode(ids).slice(tokenizer.decode(start).length).trim();
  if (method === "nucleus") {
    const ids = await sample(network, imageStates, [network.config.dec, ...start], options);
    return { caption: textOf(ids), probability: null };
  }
  const { ids, scores } = await generate(network, imageStates, null, {
    beams,
    maxLength,
    minLength,
    prompt: start,
    signal,
  });
  return { caption: textOf(ids[0]), probability: Math.exp(scores[0]) };
}

function check(
  { config }: MissNetwork,
  prompt: number,
  { method = "beam", beams = 3, topP = 0.9, repetitionPenalty = 1.1, maxLength = 30, minLength = 10 }: CaptionOptions,
): void {
  const { visionWidth, hidden, maxPositions } = config;
  const rules: readonly (readonly [sound: boolean, otherwise: string])[] = [
    [
      visionWidth === hidden,
      `the decoder reads states of width ${hidden}, those of the image are ${visionWidth} wide: this model writes no captions`,
    ],
    [method === "beam" || method === "nucleus", `\`method\` is ${JSON.stringify(method)}; it is beam or nucleus`],
    [Number.isInteger(beams) && beams >= 1, `\`beams\` is ${beams}; a whole number of 1 or more is needed`],
    [topP > 0 && topP <= 1, `\`topP\` is ${topP}; a number above 0 and at most 1 is needed`],
    [repetitionPenalty > 0, `\`repetitionPenalty\` is ${repetitionPenalty}; a number above 0 is needed (1: none)`],
    [maxLength <= maxPositions, `\`maxLength\` is ${maxLength}, the model has ${maxPositions} positions`],
    [
      maxLength > prompt + 1,
      `\`maxLength\` ${maxLength} leaves nothing behind [DEC] and ${prompt} pieces of the prompt`,
    ],
    [minLength < maxLength, `\`minLength\` ${minLength} is not below \`maxLength\` ${maxLength}`],
  ];
  const wrong = rules.find(([sound]) => !sound)?.[1];
  if (wrong) throw new OptionError(`caption: ${wrong}.`);
}

/** Ids drawn one after the other, the start included, without [SEP]. */
async function sample(
  network: MissNetwork,
  cross: Tensor,
  start: readonly number[],
  { topP = 0.9, repetitionPenalty = 1.1, seed = 0, maxLength = 30, minLength = 10, signal }: CaptionOptions,
): Promise<number[]> {
  const random = new HostRandom(seed);
  const { sep } = network.config;
  const ids = [...start];
  while (ids.length < maxLength) {
    signal?.throwIfAborted();
    using next = noGrad(() => scope(() => lastLogits(network, idTensor(cross.device, [ids]), cross)));
    const logits = penalised((await next.data()) as Float32Array, ids, repetitionPenalty);
    if (ids.length < minLength) logits[sep] = Number.NEGATIVE_INFINITY;
    const ranked = candidates(logits);
    const id = pick(ranked, probabilities(ranked, 1, topP), random.uniform());
    if (id === sep) break;
    ids.push(id);
  }
  return ids;
}

/** Logits of the token after `ids` [1, L]: [V]. */
function lastLogits(network: MissNetwork, ids: Tensor, cross: Tensor): Tensor {
  const states = network.text_decoder.states(ids, { mask: null, cross, crossMask: null });
  const [, L, C] = states.shape;
  const last = slice(states, { dim: 1, start: L - 1, length: 1 });
  return reshape(network.text_decoder.logits(reshape(last, [1, C])), [network.config.vocab]);
}

/** Tokens that are there already are less likely: Keskar et al., arXiv 1909.05858. */
export function penalised(logits: Float32Array, ids: readonly number[], penalty: number): Float32Array {
  const out = Float32Array.from(logits);
  for (const id of new Set(ids)) out[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  return out;
}
