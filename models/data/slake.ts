/**
 * SLAKE: bilingual questions about radiology images (Liu et al., ISBI 2021). The images are not part of this package:
 * place the published `imgs/` folder anywhere and name it.
 */
import { z } from "zod";
import { requireImages } from "./images-present.js";
import { answerTypeField, imagePath, textField, type VqaRecord } from "./record.js";
import { type LoadOptions, readRows } from "./rows.js";

export interface SlakeOptions extends LoadOptions {
  /** Only questions in this language; all by default. A file without `q_lang` has to be read without it. */
  readonly language?: "en" | "zh";
}

export const SlakeRow = z.looseObject({
  img_name: z.string().min(1),
  question: textField,
  answer: textField,
  answer_type: answerTypeField.optional(),
  location: z.string().optional(),
  q_lang: z.string().optional(),
  qid: textField.optional(),
});

/** `train.json`, `validate.json` or `test.json`. All images are looked for first. */
export async function loadSlake(file: string, imageFolder: string, options: SlakeOptions = {}): Promise<VqaRecord[]> {
  const { language } = options;
  const rows = (await readRows(file, SlakeRow)).filter((row) => !language || row.q_lang === language);
  const records = rows.map(
    (row): VqaRecord => ({
      image: imagePath(imageFolder, row.img_name),
      question: row.question,
      answer: row.answer,
      answerType: row.answer_type,
      category: row.location || undefined,
      qid: row.qid ?? String(row.row),
      row: row.row,
    }),
  );
  if (options.requireImages ?? true) await requireImages(records, file);
  return records;
}
