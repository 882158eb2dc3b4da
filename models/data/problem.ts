/** What is wrong with a data set, as a value: a check lists every problem, a loader throws them together. */
import { io } from "../../engine/index.js";

/** What sort of problem it is. */
export type ProblemKind =
  /** The file as a whole: it cannot be read, has no rows, lacks a column. */
  | "file"
  | "ragged row"
  | "bad value"
  | "empty value"
  | "answer type"
  | "split value"
  | "duplicate id"
  | "duplicate row"
  | "image missing"
  | "image unreadable"
  | "leak";

/** Something that is wrong with a data set. */
export interface Problem {
  /** Which sort. */
  readonly kind: ProblemKind;
  /** One sentence without its full stop, with the first places. */
  readonly text: string;
  /** What to do. */
  readonly advice: string;
  /** Where it is, all of them. */
  readonly places: readonly string[];
}

/** Places named in a text; the count says how many there are. */
export const SHOWN = 10;

/** `line 4`; `lines 4, 9 and 12`; `lines 1, 2, ..., 10 and 7 more`. */
export function placesText(places: readonly string[]): string {
  const shown = places.slice(0, SHOWN);
  const word = shown.every((place) => place.startsWith("line ")) ? "line" : null;
  const names = word ? shown.map((place) => place.slice(word.length + 1)) : shown;
  const more = places.length - shown.length;
  if (more > 0) names.push(`${more} more`);
  const list = names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return word ? `${word}${names.length > 1 ? "s" : ""} ${list}` : list;
}

/** Throws one FileFormatError with every problem, if there are any. */
export function refuse(problems: readonly Problem[], file: string): void {
  if (problems.length === 0) return;
  if (problems.length === 1) throw new io.FileFormatError(file, problems[0].text, problems[0].advice);
  const list = problems.map(({ text, advice }) => `\n  - ${text}. ${advice}`).join("");
  throw new io.FileFormatError(file, `${problems.length} problems`, `Correct:${list}`);
}
