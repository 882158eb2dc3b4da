/** Bridge to zod: the engine's own code stays free of it, since only its types are imported here. */
import type { z } from "zod";
import { FileFormatError } from "./errors.js";
import { nearest } from "./nearest.js";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const MAX_LISTED = 20;

/** The line, from 1, on which a file has what stands at a path; null where it does not say it. */
export type LineOf = (path: readonly PropertyKey[]) => number | null;

/**
 * The value as the schema gives it back. Throws one FileFormatError that lists every problem with its path, and its line where
 * `lineOf` tells it; a key that the schema does not know (`z.strictObject`) comes with the nearest key that it does.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, fileName: string, lineOf: LineOf = () => null): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues
    .flatMap((issue) => describe(schema, issue, []))
    .map(({ path, text }) => {
      const line = lineOf(path);
      return `${line === null ? "" : `line ${line}, `}${pathText(path)}: ${text}`;
    });
  const shown = lines.slice(0, MAX_LISTED);
  const rest = lines.length > shown.length ? [`and ${lines.length - shown.length} more`] : [];
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  const list = [...shown, ...rest].map((line) => `\n  - ${line}`).join("");
  throw new FileFormatError(fileName, `${count} in its values`, `Correct:${list}`);
}

interface Fault {
  readonly path: Path;
  readonly text: string;
}

function describe(schema: z.ZodType, issue: Issue, parent: Path): Fault[] {
  const path = [...parent, ...issue.path];
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(schema, path, key));
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The branch that came closest is most likely the one that was meant.
    const closest = issue.errors.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
    if (depth(closest) > 0) return closest.flatMap((inner) => describe(schema, inner, path));
    const choices = issue.errors.map((branch) => problem(branch[0]));
    return [{ path, text: [...new Set(choices)].join(", or ") }];
  }
  return [{ path, text: problem(issue) }];
}

/** zod's words, shorter: "expected number, received string", "missing". */
const problem = ({ message }: Issue) =>
  message.replace(/^Invalid (input|option): /, "").replace(/^expected .*, received undefined$/, "missing");

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

/** The parts of zod's schema definitions that lead to a nested schema. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly items?: readonly z.ZodType[];
  readonly getter?: () => z.ZodType;
}

/** Keys of the object schemas that may stand at `path`. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  const def = schema.def as unknown as Definition;
  const wrapped = [def.innerType, def.in, def.left, def.right, def.getter?.(), ...(def.options ?? [])];
  const through = wrapped.filter((inner) => inner !== undefined).flatMap((inner) => knownKeys(inner, path));
  if (path.length === 0) return [...Object.keys(def.shape ?? {}), ...through];
  const [step, ...rest] = path;
  const next = def.shape?.[String(step)] ?? def.element ?? def.items?.[Number(step)] ?? def.valueType;
  return next ? [...through, ...knownKeys(next, rest)] : through;
}
