/** What a schema allows at a place of a value, in the words of people who write such files. */
import type { z } from "zod";

/** The parts of zod's schema definitions that lead to a nested schema, or say what a value is. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly items?: readonly z.ZodType[];
  readonly getter?: () => z.ZodType;
  readonly checks?: readonly { readonly _zod: { readonly def: Check } }[];
  readonly format?: string;
  /** Of literals. */
  readonly values?: readonly unknown[];
  /** Of enumerations. */
  readonly entries?: Readonly<Record<string, unknown>>;
}

/** What a schema asks of a value besides its type. */
interface Check {
  readonly check: string;
  readonly value?: number;
  readonly inclusive?: boolean;
  /** Of a length. */
  readonly minimum?: number;
  readonly format?: string;
  readonly pattern?: RegExp;
}

type Path = readonly PropertyKey[];

const definitionOf = (schema: z.ZodType) => schema.def as unknown as Definition;

/** The schemas that decide a value at `path`: several where a union leaves it open, none where nothing may be there. */
function schemasAt(schema: z.ZodType, path: Path): z.ZodType[] {
  const def = definitionOf(schema);
  const wrapped = [def.innerType, def.in, def.out, def.left, def.right, def.getter?.(), ...(def.options ?? [])];
  const inner = wrapped.filter((each) => each !== undefined);
  // What changes a value before it is checked allows nothing itself.
  if (def.type === "transform") return [];
  if (inner.length > 0) return inner.flatMap((each) => schemasAt(each, path));
  if (path.length === 0) return [schema];
  const [step, ...rest] = path;
  const next = def.shape?.[String(step)] ?? def.element ?? def.items?.[Number(step)] ?? def.valueType;
  return next ? schemasAt(next, rest) : [];
}

/** Keys of the objects that may stand at `path`. */
export const knownKeys = (schema: z.ZodType, path: Path): string[] =>
  schemasAt(schema, path).flatMap((each) => Object.keys(definitionOf(each).shape ?? {}));

/** `a whole number from 1`, `f32, bf16 or f16`; null where the schema says it in no such way. */
export function allowedAt(schema: z.ZodType, path: Path): string | null {
  const words = schemasAt(schema, path).map(wordsOf);
  return words.length === 0 || words.includes(null) ? null : either([...new Set((words as string[][]).flat())]);
}

const either = (words: readonly string[]) =>
  words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/** One for each choice; null where there are no words. */
function wordsOf(schema: z.ZodType): string[] | null {
  const def = definitionOf(schema);
  const checks = (def.checks ?? []).map(({ _zod }) => _zod.def);
  const isShort = checks.some(({ check, minimum }) => check === "min_length" && minimum === 1);
  if (def.type === "number") return [numbers(def, checks)];
  if (def.type === "string") {
    const form = checks.find(({ pattern }) => pattern)?.pattern;
    return [form ? `text of the form ${form}` : isShort ? "text that is not empty" : "text"];
  }
  if (def.type === "boolean") return ["yes or no (true or false)"];
  if (def.type === "null") return ["null"];
  if (def.type === "array") return [isShort ? "a list that is not empty" : "a list"];
  if (def.type === "tuple") return [`a list of ${def.items?.length}`];
  if (def.type === "object" || def.type === "record") return ["a group of keys"];
  if (def.type === "enum") return Object.values(def.entries ?? {}).map(String);
  if (def.type === "literal") return (def.values ?? []).map(String);
  return null;
}

/** `a whole number from 1 to 1000`, `a number above 0`. */
function numbers({ format = "" }: Definition, checks: readonly Check[]): string {
  const isWhole = [format, ...checks.map((check) => check.format)].some((name) => name?.includes("int"));
  const end = (check: string) => checks.find((each) => each.check === check);
  const [low, high] = [end("greater_than"), end("less_than")];
  const from = isWhole && low && !low.inclusive ? { value: (low.value ?? 0) + 1, inclusive: true } : low;
  const lowest = from && `${from.inclusive ? "from" : "above"} ${from.value}`;
  const highest = high && `${!high.inclusive ? "below" : from?.inclusive ? "to" : "up to"} ${high.value}`;
  return [isWhole ? "a whole number" : "a number", lowest, highest].filter((words) => words !== undefined).join(" ");
}
