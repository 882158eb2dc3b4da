/** Result files: a JSON array of `{ "qid": ..., "answer": ... }` in the order of the test set, as MISS and MILE write them. */
import { z } from "zod";
import { io, OptionError } from "../../engine/index.js";
import { textField, type VqaRecord } from "../data/record.js";
import { parseRows } from "../data/rows.js";

const Row = z.looseObject({ qid: textField, answer: textField });

export function formatResults(records: readonly VqaRecord[], predictions: readonly string[]): string {
  if (records.length !== predictions.length) {
    throw new OptionError(`formatResults: ${predictions.length} predictions for ${records.length} questions.`);
  }
  const lines = records.map(({ qid }, i) => JSON.stringify({ qid: asNumber(qid), answer: predictions[i] }));
  return `[\n${lines.join(",\n")}\n]\n`;
}

/** The answers, one for each record. Unlike the published scripts, which pair by position blindly, checks every qid. */
export function parseResults(text: string, fileName: string, records: readonly VqaRecord[]): string[] {
  const rows = parseRows(text, fileName, Row);
  const advice = "Score it with the test set and language it was made from";
  if (rows.length !== records.length) {
    throw new io.FileFormatError(fileName, `${rows.length} answers for ${records.length} questions`, advice);
  }
  const wrong = rows.findIndex((row, i) => row.qid !== records[i].qid);
  if (wrong >= 0) {
    const found = `answer ${wrong} is for qid ${rows[wrong].qid}, the question there is qid ${records[wrong].qid}`;
    throw new io.FileFormatError(fileName, found, advice);
  }
  return rows.map((row) => row.answer);
}

/** Published ids are integers; others stay text. */
const asNumber = (qid: string) => (/^(0|[1-9]\d{0,14})$/.test(qid) ? Number(qid) : qid);
