import { readFileSync, statSync } from "node:fs";
import { OptionError } from "../engine/index.js";
import { FileFormatError } from "../engine/io/errors.js";
import { JsonError, parseJson } from "../engine/io/json.js";
import { parseWith } from "../engine/io/validate.js";
import { type BenchDocument, benchDocumentSchema } from "./document.js";
import { si } from "./report/quantities.js";

/** A document of all suites with every peer takes 1 % of it. */
const MAX_BYTES = 256 * 2 ** 20;
const VERSION = 2;

/**
 * What `consilium bench --json` wrote to the file; documents of version 1 as if of version 2, where what they did not measure is
 * null or absent. Throws OptionError where the file cannot be read, is no such document, is of a version to come, or has
 * fields that are wrong, which it names.
 */
export function readDocument(path: string): BenchDocument {
  const value = parsed(path, textOf(path));
  if (!isDocument(value)) throw refusal(path, "is JSON, but not what `consilium bench --json` writes");
  const { version } = value;
  if (typeof version === "number" && version > VERSION)
    throw new OptionError(
      `${path} is of version ${version}, this consilium reads versions 1 to ${VERSION}. Update consilium, or measure again.`,
    );
  if (version !== 1 && version !== VERSION)
    throw refusal(path, `has the version ${JSON.stringify(version)?.slice(0, 40)}, where 1 or ${VERSION} stands`);
  try {
    return parseWith<BenchDocument>(benchDocumentSchema, version === 1 ? upgraded(value) : value, path);
  } catch (error) {
    throw error instanceof FileFormatError ? new OptionError(error.message, { cause: error }) : error;
  }
}

/** Fields that version 1 did not have. What was not in it is wrong in it, but for these. */
function upgraded({ rows, ...document }: Document): unknown {
  const unknown = { set: null, routing: null, savedBytes: null, roofline: null, phases: null, othersCpu: null };
  const filled = rows.map((row) => (isObject(row) ? { ...unknown, ...row, ...routed(row) } : row));
  return { ...document, version: VERSION, ceilings: [], rows: filled, skipped: [] };
}

/** Version 1 said behind a mixture's shape that all tokens went to the first experts. */
function routed({ op, shape }: Record<string, unknown>): { shape?: string; routing?: string } {
  if (op !== "mixtureOfExperts" || typeof shape !== "string") return {};
  const bare = shape.replace(/:skew$/, "");
  return { shape: bare, routing: bare === shape ? "balanced" : "one-hot" };
}

interface Document {
  readonly version: unknown;
  readonly environment: unknown;
  readonly rows: readonly unknown[];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Enough to tell it from another program's JSON. */
const isDocument = (value: unknown): value is Record<string, unknown> & Document =>
  isObject(value) && "version" in value && isObject(value.environment) && Array.isArray(value.rows);

function textOf(path: string): string {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw refusal(path, "is a folder");
    if (!stat.isFile()) throw refusal(path, "is no regular file");
    if (stat.size > MAX_BYTES) throw refusal(path, `has ${si(stat.size, "B")}, more than any such document`);
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof OptionError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw refusal(path, code === "ENOENT" ? "does not exist" : `cannot be read (${message})`, cause);
  }
}

function parsed(path: string, text: string): unknown {
  if (text.trim() === "") throw refusal(path, "is empty");
  try {
    return parseJson(text, path);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw refusal(path, `is not JSON (line ${cause.line}, column ${cause.column}: ${cause.what})`, cause);
  }
}

const refusal = (path: string, what: string, cause?: unknown) =>
  new OptionError(`${path} ${what}. Name a file that \`consilium bench --json FILE\` wrote.`, { cause });
