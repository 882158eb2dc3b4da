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
  /** The part of the body, for results by group; empty where the file has none. */
  readonly group: string;
  /** The file's own number or name of the question. */
  readonly qid: string;
  /** Position in the file, from 0: also the true one where rows were left out. */
  readonly row: number;
}

export interface Splits {
  readonly train: VqaRecord[];
  readonly test: VqaRecord[];
}

/** Text that some files hold as a number: ten answers of VQA-RAD are integers. */
export const textField = z.union([z.string(), z.number()]).transform(String);

/** `"CLOSED "` with a blank occurs in VQA-RAD. */
export const answerTypeField = z
  .string()
  .transform((text) => text.trim().toUpperCase())
  .pipe(z.enum(["CLOSED", "OPEN"]));

export const imagePath = (folder: string, name: string) => `${folder.replace(/\/+$/, "")}/${name}`;
