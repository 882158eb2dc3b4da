import { z } from "zod";

/** yes/no and the like, or free. */
export type AnswerType = "CLOSED" | "OPEN";

/** A question and its answer. */
export interface Asked {
  /** The question. */
  readonly question: string;
  /** Its answer. */
  readonly answer: string;
}

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
  /** What is asked, where `question` is a prompt around it: rows that ask the same are found by it. */
  readonly asks?: string;
  /**
   * What training asks in the place of `question`: each time one of the lists is drawn, then one of its members. Absent where that is
   * always the same.
   */
  readonly pool?: readonly (readonly Asked[])[];
  /** Where a row of training stands that a `Sampler` has drawn: its image is changed by that. */
  readonly sample?: RowSample;
}

/** What random changes of a row depend on, beside the seed. */
export interface RowSample {
  /** From 0. */
  readonly epoch: number;
  /** Of the training rows. */
  readonly row: number;
}

/** Every question that a row may ask, with its answer. */
export const askedOf = (record: VqaRecord): readonly Asked[] => record.pool?.flat() ?? [record];

/** `validation` chooses the checkpoint, `test` is what is reported. */
export type Part = "train" | "validation" | "test";

export interface Splits {
  readonly train: VqaRecord[];
  readonly test: VqaRecord[];
}

/** Where a row is in its file: `line 7`, or `row 6` of a JSON array. */
export const placeOf = ({ line, row }: Pick<VqaRecord, "line" | "row">) =>
  line === undefined ? `row ${row}` : `line ${line}`;

/** What makes two questions the same: their words, whatever case, blanks, punctuation, and the prompt around them. */
export const questionKey = ({ question, asks = question }: Pick<VqaRecord, "question" | "asks">) =>
  asks
    .toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu)
    ?.join(" ") ?? asks.trim();

/** Text that some files hold as a number: ten answers of VQA-RAD are integers. */
export const textField = z.union([z.string(), z.number()]).transform(String);

/** `"CLOSED "` with a blank occurs in VQA-RAD. */
export const answerTypeField = z
  .string()
  .transform((text) => text.trim().toUpperCase())
  .pipe(z.enum(["CLOSED", "OPEN"]));

export const imagePath = (folder: string, name: string) => `${folder.replace(/\/+$/, "")}/${name}`;
