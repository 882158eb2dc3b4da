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
  /** A conversation whose turns, or whose images and their places, do not fit. */
  | "conversation"
  | "image missing"
  | "image unreadable"
  | "leak"
  /** Answers so uneven that guessing looks like knowing, or that training never shows. */
  | "class balance";

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

/** `line 4`; `lines 4, 9 and 12`; `items 1, 2, ..., 10 and 7 more`. */
export function placesText(places: readonly string[]): string {
  const shown = places.slice(0, SHOWN);
  const word = ["line", "item"].find((word) => shown.every((place) => place.startsWith(`${word} `)));
  const names = word ? shown.map((place) => place.slice(word.length + 1)) : shown;
  const more = places.length - shown.length;
  if (more > 0) names.push(`${more} more`);
  const list = names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return word ? `${word}${names.length > 1 ? "s" : ""} ${list}` : list;
}

/** Faults of single rows, gathered by what they are. */
export class Faults {
  readonly #found = new Map<string, { problem: Omit<Problem, "text" | "places">; places: string[] }>();

  add(kind: ProblemKind, what: string, advice: string, place: string): void {
    const found = this.#found.get(what) ?? { problem: { kind, advice }, places: [] };
    found.places.push(place);
    this.#found.set(what, found);
  }

  /** One for each sort of fault, with all its places. `rows` is how many rows there are. */
  problems(rows: number): Problem[] {
    return [...this.#found].map(([what, { problem, places }]) => ({
      ...problem,
      text: places.length === rows && rows > 1 ? `${what} in all ${rows} rows` : `${what} (${placesText(places)})`,
      places,
    }));
  }
}

/** Throws one FileFormatError with every problem, if there are any. */
export function refuseProblems(problems: readonly Problem[], file: string): void {
  if (problems.length === 0) return;
  if (problems.length === 1) throw new io.FileFormatError(file, problems[0].text, problems[0].advice);
  const list = problems.map(({ text, advice }) => `\n  - ${text}. ${advice}`).join("");
  throw new io.FileFormatError(file, `${problems.length} problems`, `Correct:${list}`);
}
