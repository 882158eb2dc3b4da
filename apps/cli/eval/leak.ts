import { countsOf, type DataSplits, type Leak, leakedRows, leakText, type RunConfig } from "../../../models/index.js";
import type { Notice } from "../../report/data.js";

/** What is known of how questions and training are related: of a training run, or of an evaluation. */
type Compared = Pick<DataSplits, "leak" | "unchecked" | "notices">;

/** What every report of a measurement has that is not about new patients; null where it is. */
export function leakNotice(leak: Leak | null, data: RunConfig["data"]): string | null {
  if (!leak) return null;
  const others = new Set(leak.rows.flatMap(({ from }) => from ?? []));
  const isOwn = leak.rows.some(({ from }) => !from);
  const published = [...(isOwn ? [`as ${data.set} is split`] : []), ...[...others].map((from) => `with ${from}`)];
  const why = data.set === "table" || data.allowLeak ? "allowed by --allow-leak" : published.join("; ");
  return `LEAK (${why}): ${leakText(leak)}. These numbers say little about images and patients that are new to the model.`;
}

/** What else stands beside the numbers of every report: what could not be compared, and what only a person can decide. */
export function cautions({ unchecked, notices }: Omit<Compared, "leak">): Notice[] {
  const notCompared = {
    head: "Not compared with all that the model was trained on:",
    text: `${unchecked}. It may have been trained on these questions.`,
  };
  return [...(unchecked ? [notCompared] : []), ...notices.map((text) => ({ head: "Note:", text: `${text}.` }))];
}

/** The same as lines of text, the leak first. */
export function warnings({ leak, ...others }: Compared, data: RunConfig["data"]): string[] {
  const notice = leakNotice(leak, data);
  return [...(notice ? [notice] : []), ...cautions(others).map(({ head, text }) => `${head} ${text}`)];
}

/** The same for JSON. */
export const leakFields = ({ leak, unchecked, notices }: Compared) => ({
  leak: leakDocument(leak),
  leakChecked: unchecked === null,
  notices,
});

function leakDocument(leak: Leak | null) {
  if (!leak) return null;
  const { totals, rows } = leak;
  return { totals, questions: rows.length, ...countsOf(rows), first: leakedRows(leak) };
}
