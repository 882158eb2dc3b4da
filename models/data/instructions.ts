/**
 * The instruction format of MILE: a question comes as a pool of prompts, one of them is drawn each time. Typos and the
 * literal `<image>` in the published prompts are part of the data; the tokenizer cuts long ones at 35 ids.
 */
import { z } from "zod";
import { requireImages } from "./images-present.js";
import { randomStream } from "./random.js";
import { imagePath, textField, type VqaRecord } from "./record.js";
import { type RowOptions, readRows } from "./rows.js";

export interface InstructionRecord extends VqaRecord {
  /** At least one; `question` is the first. */
  readonly pool: readonly string[];
}

const Row = z.looseObject({
  img_name: z.string().min(1),
  question_pool: z.array(z.string()).min(1),
  answer: textField,
  qid: textField.optional(),
});

/** `instruction_data.json`. All images are looked for first. */
export async function loadInstructions(
  file: string,
  imageFolder: string,
  options?: RowOptions,
): Promise<InstructionRecord[]> {
  const rows = await readRows(file, Row, options);
  const records = rows.map((row) => ({
    image: imagePath(imageFolder, row.img_name),
    question: row.question_pool[0],
    pool: row.question_pool,
    answer: row.answer,
    group: "",
    qid: row.qid ?? String(row.row),
    row: row.row,
  }));
  await requireImages(records, file);
  return records;
}

/** The records with one prompt of each pool, drawn anew for each epoch; the same for the same seed and epoch. */
export function drawPrompts(records: readonly InstructionRecord[], seed: number, epoch: number): VqaRecord[] {
  const random = randomStream(seed, "prompt", epoch);
  return records.map(({ pool, ...record }) => ({ ...record, question: pool[random.below(pool.length)] }));
}
