/** Result files: a JSON array of `{ "qid": ..., "answer": ... }` in the order of the test set, as MISS and MILE write them. */
import { OptionError } from "../../engine/index.js";
import type { VqaRecord } from "../data/record.js";

/** The text of a result file, as the published scripts write it: `predictions[i]` answers `records[i]`. */
export function formatResults(records: readonly VqaRecord[], predictions: readonly string[]): string {
  if (records.length !== predictions.length) {
    throw new OptionError(`formatResults: ${predictions.length} predictions for ${records.length} questions.`);
  }
  const lines = records.map(({ qid }, i) => JSON.stringify({ qid: publishedId(qid), answer: predictions[i] }));
  return `[\n${lines.join(",\n")}\n]\n`;
}

/** Published ids are integers; others stay text. */
export const publishedId = (qid: string) => (/^(0|[1-9]\d{0,14})$/.test(qid) ? Number(qid) : qid);
