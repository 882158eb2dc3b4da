/** Answers have positions in the decoder, behind its virtual tokens: what has more ids than that ends a training in its middle. */
import { OptionError } from "../../engine/index.js";
import { Faults, refuseProblems } from "../data/problem.js";
import { askedOf, placeOf, type VqaRecord } from "../data/record.js";
import { type Adaptation, prefixedRoots } from "./adaptation.js";
import type { MissConfig } from "./config.js";
import type { Answering } from "./predict.js";
import type { MissTokenizer } from "./tokenizer.js";

/** Where the ids of an answer can stand. */
export interface AnswerRoom {
  /** Ids of an answer at most. */
  readonly positions: number;
  /** They, in words. */
  readonly text: string;
}

/** `virtualTokens` are those of the decoder's prefix. */
export function answerRoom({ maxPositions }: MissConfig, virtualTokens: number): AnswerRoom {
  const text = `the model's ${maxPositions} positions`;
  return virtualTokens === 0
    ? { positions: maxPositions, text }
    : {
        positions: maxPositions - virtualTokens,
        text: `the ${maxPositions - virtualTokens} of ${text} that are behind the decoder's ${virtualTokens} virtual tokens`,
      };
}

/** Virtual tokens in front of what the decoder reads. */
export const decoderTokens = (adaptation: Adaptation): number =>
  prefixedRoots(adaptation).includes("text_decoder") ? adaptation.tokens : 0;

/** Throws OptionError where an answer may have more ids than there is room for. */
export function checkAnswering(config: MissConfig, answering: Answering, virtualTokens: number): void {
  const { positions, text } = answerRoom(config, virtualTokens);
  if (answering.method === "generate" && answering.maxLength > positions)
    throw new OptionError(
      `Answers of \`maxLength\` ${answering.maxLength} do not fit into ${text}. Use a smaller one.`,
    );
}

/** Throws OptionError for a list to choose from whose longest answer has more ids than there is room for. */
export function checkList(config: MissConfig, longest: number, virtualTokens: number): void {
  const { positions, text } = answerRoom(config, virtualTokens);
  if (longest > positions)
    throw new OptionError(
      `An answer of the list has ${longest} ids, which do not fit into ${text}. Shorten it, or leave it out.`,
    );
}

/** Throws FileFormatError with all rows of training that have an answer for which there is no room. */
export function refuseLongAnswers(
  records: readonly VqaRecord[],
  tokenizer: MissTokenizer,
  { positions, text }: AnswerRoom,
  file: string,
): void {
  const fits = new Map<string, boolean>();
  const faults = new Faults();
  for (const record of records) {
    const long = askedOf(record).some(({ answer }) => {
      if (!fits.has(answer)) fits.set(answer, tokenizer.encodeAnswers([answer]).T <= positions);
      return !fits.get(answer);
    });
    if (long)
      faults.add(
        "bad value",
        `the answer does not fit into ${text}`,
        "Shorten it, or leave the row out",
        placeOf(record),
      );
  }
  refuseProblems(faults.problems(records.length), file);
}
