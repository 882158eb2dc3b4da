import { countsOf, type Leak, leakedRows, leakText, type RunConfig } from "../../models/index.js";

/** What every report of a measurement has that is not about new patients; null where it is. */
export function leakNotice(leak: Leak | null, data: RunConfig["data"]): string | null {
  if (!leak) return null;
  const why = data.set === "table" ? "allowed by --allow-leak" : `as ${data.set} is split`;
  return `LEAK (${why}): ${leakText(leak)}. These numbers say little about images and patients that are new to the model.`;
}

/** The same for JSON. */
export function leakDocument(leak: Leak | null) {
  if (!leak) return null;
  const { totals, rows } = leak;
  return { totals, questions: rows.length, ...countsOf(rows), first: leakedRows(leak) };
}
