/** Which experts the tokens of a question and of its answer had: what is written for a user, and read back for plots. */
import { z } from "zod";
import { io, keep, listPlaces, type nn, reshape } from "../../../engine/index.js";
import type { MoeConfig } from "../folder/config.js";

/**
 * The routing of one question, a line of its file. Token t of a layer chose experts `choices[layer][t * topK + k]`. Tokens are
 * the rows of the prompt, images among them, then those of the answer, each but the last, which no layer has seen.
 */
export interface RoutingRecord {
  /** Of the question, as in the file of answers. */
  readonly question_id: string;
  /** Which layers of the model are mixtures. */
  readonly layers: readonly number[];
  /** Experts of each of them. */
  readonly experts: readonly number[];
  /** Experts of a token. */
  readonly top_k: number;
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** First token and number of tokens of each image. */
  readonly images: readonly (readonly [first: number, count: number])[];
  /** [mixtures][tokens · topK]. */
  readonly choices: readonly (readonly number[])[];
  /** The same for weights, to four digits. */
  readonly weights: readonly (readonly number[])[];
}

/** What a token stands for. */
export type TokenKind = "image" | "text" | "answer";

const whole = z.int().min(0);
const Line = z.looseObject({
  question_id: z.string(),
  layers: z.array(whole).min(1),
  experts: z.array(z.int().positive()),
  top_k: z.int().positive(),
  prompt: whole,
  images: z.array(z.tuple([whole, whole])),
  choices: z.array(z.array(whole)),
  weights: z.array(z.array(z.number())),
});

/** Gathers what mixtures chose, step by step. */
export class RoutingRecorder {
  readonly #moe: MoeConfig;
  readonly #steps: Promise<{ choices: number[]; weights: number[] }>[][] = [];

  constructor(moe: MoeConfig) {
    this.#moe = moe;
  }

  /** For `onMixtures` of `languageModel`. Nothing waits. */
  readonly add = (mixtures: readonly (nn.MoeOutput | null)[]): void => {
    const step = mixtures.flatMap((mixture, layer) => {
      const at = this.#moe.layers.indexOf(layer);
      return mixture && at >= 0 ? [read(mixture, this.#moe.experts[at])] : [];
    });
    // Whoever asks for the record hears of a failure; until then it is nobody's.
    for (const promise of step) promise.catch(() => {});
    this.#steps.push(step);
  };

  /** Ends a question and gives what was chosen in it: `prompt` tokens stood in front of the answer. */
  async record(question_id: string, prompt: number, images: RoutingRecord["images"]): Promise<RoutingRecord> {
    const steps = await Promise.all(this.#steps.map((step) => Promise.all(step)));
    const { layers, experts, topK } = this.#moe;
    const all = (part: "choices" | "weights") => layers.map((_, i) => steps.flatMap((step) => step[i][part]));
    return {
      question_id,
      layers,
      experts,
      top_k: topK,
      prompt,
      images,
      choices: all("choices"),
      weights: all("weights"),
    };
  }
}

async function read({ routed }: nn.MoeOutput, experts: number): Promise<{ choices: number[]; weights: number[] }> {
  // Views of their own: the step that made these ends before they are read.
  const lists = keep(reshape(routed.lists, routed.lists.shape));
  const weights = keep(reshape(routed.weights, routed.weights.shape));
  try {
    const [numbers, given] = await Promise.all([lists.data(), weights.data()]);
    const { experts: first, length } = listPlaces(experts, weights.size);
    return {
      choices: Array.from(numbers.subarray(first, length)),
      weights: Array.from(given, (weight) => Number(weight.toFixed(4))),
    };
  } finally {
    lists.dispose();
    weights.dispose();
  }
}

/** What each token of a record stands for. */
export function tokenKinds({ prompt, images, choices, top_k }: RoutingRecord): TokenKind[] {
  const kinds = Array.from(
    { length: choices[0].length / top_k },
    (_, t): TokenKind => (t < prompt ? "text" : "answer"),
  );
  for (const [first, count] of images) kinds.fill("image", first, first + count);
  return kinds;
}

/** The records of a file, one a line. Throws FileFormatError where a line is none, or its numbers do not fit together. */
export function parseRouting(text: string, fileName: string): RoutingRecord[] {
  const records = io.parseJsonLines(text, fileName).map(({ line, value }) => {
    const record = io.parseWith(Line, value, `${fileName}:${line}`);
    const wrong = misfit(record);
    if (wrong) throw new io.FileFormatError(`${fileName}:${line}`, wrong, NEEDED);
    return record;
  });
  if (records.length === 0) throw new io.FileFormatError(fileName, "it holds no routing", NEEDED);
  const form = ({ layers, experts, top_k }: RoutingRecord) => JSON.stringify([layers, experts, top_k]);
  const other = records.findIndex((record) => form(record) !== form(records[0]));
  if (other > 0)
    throw new io.FileFormatError(
      fileName,
      `record ${other + 1} (question ${records[other].question_id}) is of another model than the first: other mixtures`,
      "Draw the questions of one model at a time",
    );
  return records;
}

const NEEDED = "It is what `consilium eval med-moe --gating FILE` writes, one JSON object a line";

function misfit({ layers, experts, top_k, prompt, images, choices, weights }: RoutingRecord): string | null {
  const n = layers.length;
  if (experts.length !== n || choices.length !== n || weights.length !== n)
    return `it has ${n} layers, but ${experts.length} numbers of experts, ${choices.length} lists of choices, ${weights.length} of weights`;
  const size = choices[0].length;
  if (size === 0 || size % top_k !== 0 || [...choices, ...weights].some((list) => list.length !== size))
    return `its lists of choices and weights differ in length, or are no multiple of top_k ${top_k}`;
  const unknown = choices.findIndex((list, i) => list.some((expert) => expert >= experts[i]));
  if (unknown >= 0) return `layer ${layers[unknown]} has ${experts[unknown]} experts, a choice names another`;
  if (prompt > size / top_k || images.some(([first, count]) => first + count > prompt))
    return "its prompt is longer than its tokens, or an image reaches behind the prompt";
  return null;
}
