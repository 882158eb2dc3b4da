import { z } from "zod";

/** yes/no and the like, or free. */
export type AnswerType = "CLOSED" | "OPEN";

/** One question about one image, whatever data set it came from. */
export interface VqaRecord {
  /** Path of the image file. */
  readonly image: string;
  /** As in the file. */
  readonly question: string;
  /** As in the file (case, blanks), a number as its text. */
  readonly answer: string;
  /** What the data set says; absent where it says nothing. */
  readonly answerType?: AnswerType;
  /** What results are also counted by: the part of the body, the kind of question. Absent where the file has none. */
  readonly category?: string;
  /** Whom the image is of (patient, study): a split never has one group in two parts. Absent where the file has none. */
  readonly group?: string;
  /** The file's own number or name of the question. */
  readonly qid: string;
  /** Position in the file, from 0: also the true one where rows were left out. */
  readonly row: number;
  /** Line of the file that the row begins on, from 1; absent in a JSON array. */
  readonly line?: number;
}

/** `validation` chooses the checkpoint, `test` is what is reported. */
export type Part = "train" | "validation" | "test";

export interface Splits {
  readonly train: VqaRecord[];
  readonly test: VqaRecord[];
}

/** Where a row is in its file: `line 7`, or `row 6` of a JSON array. */
export const placeOf = ({ line, row }: Pick<VqaRecord, "line" | "row">) =>
  line === undefined ? `row ${row}` : `line ${line}`;

/** What makes two questions the same: their words, whatever case, blanks and punctuation. */
export const questionKey = (question: string) =>
  question
    .toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu)
    ?.join(" ") ?? question.trim();

/** Text that some files hold as a number: ten answers of VQA-RAD are integers. */
export const textField = z.union([z.string(), z.number()]).transform(String);

/** `"CLOSED "` with a blank occurs in VQA-RAD. */
export const answerTypeField = z
  .string()
  .transform((text) => text.trim().toUpperCase())
  .pipe(z.enum(["CLOSED", "OPEN"]));

export const imagePath = (folder: string, name: string) => `${folder.replace(/\/+$/, "")}/${name}`;
