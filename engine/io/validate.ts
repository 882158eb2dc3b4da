/** Bridge to zod: the engine's own code stays free of it, since only its types are imported here. */
import type { z } from "zod";
import { allowedAt, knownKeys } from "./allowed.js";
import { FileFormatError } from "./errors.js";
import { nearest } from "./nearest.js";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const MAX_LISTED = 20;

/** The line, from 1, on which a file has what stands at a path; null where it does not say it. */
export type LineOf = (path: readonly PropertyKey[]) => number | null;

/** Something that is wrong in a value. */
export interface Fault {
  /** Where. */
  readonly path: readonly PropertyKey[];
  /** With its line, if that is known, and its path. */
  readonly text: string;
}

/**
 * The value as the schema gives it back. Throws one FileFormatError that lists every problem with its path, and its line where
 * `lineOf` tells it: what was found, and what is allowed; a key that the schema does not know (`z.strictObject`) comes with the nearest
 * key that it does.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, fileName: string, lineOf?: LineOf): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = faultsIn(schema, value, lineOf).map(({ text }) => text);
  const shown = lines.slice(0, MAX_LISTED);
  const rest = lines.length > shown.length ? [`and ${lines.length - shown.length} more`] : [];
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  const list = [...shown, ...rest].map((line) => `\n  - ${line}`).join("");
  throw new FileFormatError(fileName, `${count} in its values`, `Correct:${list}`);
}

/** What is wrong with a value, each fault by itself. */
export function faultsIn(schema: z.ZodType, value: unknown, lineOf: LineOf = () => null): Fault[] {
  const issues = schema.safeParse(value).error?.issues ?? [];
  return issues
    .flatMap((issue) => describe({ schema, value }, issue as Issue, []))
    .map(({ path, text }) => {
      const line = lineOf(path);
      return { path, text: `${line === null ? "" : `line ${line}, `}${pathText(path)}: ${text}` };
    });
}

/** What is checked, as a whole. */
interface Checked {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

function describe(checked: Checked, issue: Issue, parent: Path): Fault[] {
  const path = [...parent, ...issue.path];
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(checked.schema, path, key));
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The branch that came closest is most likely the one that was meant.
    const closest = issue.errors.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
    if (depth(closest) > 0) return closest.flatMap((inner) => describe(checked, inner, path));
  }
  return [{ path, text: problem(checked, issue, path) }];
}

/** zod's own words, which nobody chose for this schema. */
const OF_ZOD = /^(Invalid (input|option|string|number|discriminator)|Too (small|big)|Unrecognized)/;

/** `"fast" is not a number above 0`, `missing: text`; what a schema says of itself stays as it is. */
function problem({ schema, value }: Checked, { message }: Issue, path: Path): string {
  if (!OF_ZOD.test(message)) return message;
  const allowed = allowedAt(schema, path) ?? message.replace(/^Invalid (input|option): (expected )?/, "");
  const found = path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | null | undefined)?.[step],
    value,
  );
  return found === undefined ? `missing: ${allowed}` : `${shortened(found)} is not ${allowed}`;
}

const LONGEST = 40;

function shortened(found: unknown): string {
  if (typeof found === "object" && found !== null) return shortenedObject(found);
  const text = typeof found === "number" ? String(found) : (JSON.stringify(found) ?? String(found));
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}...`;
}

/** Spelled out where it is flat: what is nested may be so deep that JSON.stringify runs out of stack. */
function shortenedObject(found: object): string {
  const values = Object.values(found);
  const isFlat = values.length <= LONGEST && values.every((value) => typeof value !== "object" || value === null);
  const text = isFlat ? JSON.stringify(found) : null;
  if (text !== null && text.length <= LONGEST) return text;
  return Array.isArray(found) ? `a list of ${found.length}` : "an object";
}

/** How far into the value a union's branch got before it failed. */
const depth = (branch: readonly Issue[]) =>
  Math.max(0, ...branch.map((issue) => issue.path.length + (issue.code === "unrecognized_keys" ? 0.5 : 0)));

function unknownKey(schema: z.ZodType, path: Path, key: string): Fault {
  const found = nearest(key, knownKeys(schema, path));
  return { path: [...path, key], text: `unknown key${found === null ? "" : `; did you mean "${found}"?`}` };
}

/** `train.rates[3]`; `(top)` for the value itself. */
function pathText(path: Path): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text === "" ? "(top)" : text.replace(/^\./, "");
}
