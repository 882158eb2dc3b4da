/**
 * JSON whose errors say where: file, line, column, the line's text and a caret under the place. JSON.parse does the work
 * where the text is sound; the parser here runs when it is not, or when duplicate keys must be refused.
 */
import { FileFormatError } from "./errors.js";

/** Deeper nesting than any real file; bounds recursion on hostile ones. */
const MAX_DEPTH = 512;
const EXCERPT = 100;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

export class JsonError extends FileFormatError {
  override readonly name = "JsonError";
  /** Both count from 1; columns are UTF-16 units. */
  readonly line: number;
  readonly column: number;

  constructor(file: string, what: string, advice: string, line: number, column: number, lineText: string) {
    const number = `${line}`;
    const from = Math.max(0, Math.min(column - 1 - EXCERPT / 2, lineText.length - EXCERPT));
    const shown = lineText.slice(from, from + EXCERPT);
    const caret = shown.slice(0, column - 1 - from).replace(/[^\t]/g, " ");
    super(
      `${file}:${line}:${column}`,
      what,
      `${advice}\n  ${number} | ${shown}\n  ${" ".repeat(number.length)} | ${caret}^`,
    );
    this.line = line;
    this.column = column;
  }
}

/** What `parseJson` accepts. */
export interface JsonOptions {
  /** JSON.parse keeps the last of two equal keys; "error" refuses them. */
  readonly duplicateKeys?: "last" | "error";
  /** Line of the first character, where the text is a part of a file. */
  readonly firstLine?: number;
}

/** The value of a JSON text (RFC 8259; a leading byte order mark is skipped). Throws JsonError. */
export function parseJson(text: string, fileName: string, options: JsonOptions = {}): unknown {
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (options.duplicateKeys !== "error" && !isTooDeep(body)) {
    try {
      return JSON.parse(body);
    } catch {
      // The parser below finds the place.
    }
  }
  return new Parser(body, fileName, options).document();
}

/** Whether a text nests deeper than the parser below follows: JSON.parse would, and whoever walks its value then ran out of stack. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) at = closingQuote(text, at);
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (char === 0x5d || char === 0x7d) depth--;
  }
  return false;
}

/** Of the string that begins at `start`; the end of the text where there is none. */
function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}

/** A value of a file of lines. */
export interface JsonLine {
  /** Counted from 1, for later messages. */
  readonly line: number;
  /** As JSON.parse gives it. */
  readonly value: unknown;
}

/** One value per line (JSON Lines), blank lines skipped. Throws JsonError. */
export function parseJsonLines(text: string, fileName: string): JsonLine[] {
  const values: JsonLine[] = [];
  text.split("\n").forEach((lineText, index) => {
    if (lineText.trim() === "") return;
    values.push({ line: index + 1, value: parseJson(lineText, fileName, { firstLine: index + 1 }) });
  });
  return values;
}

class Parser {
  private readonly text: string;
  private readonly file: string;
  private readonly options: JsonOptions;
  private at = 0;
  private depth = 0;

  constructor(text: string, file: string, options: JsonOptions) {
    this.text = text;
    this.file = file;
    this.options = options;
  }

  document(): unknown {
    const value = this.value();
    this.skipSpace();
    if (this.at < this.text.length)
      this.fail("there is more text after the end of the value", "A JSON file holds one value");
    return value;
  }

  private value(): unknown {
    this.skipSpace();
    const char = this.text[this.at];
    if (char === "{") return this.nested(() => this.object());
    if (char === "[") return this.nested(() => this.array());
    if (char === '"') return this.string();
    if (char === "-" || (char >= "0" && char <= "9")) return this.number();
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    if (this.take("null")) return null;
    if (char === undefined) this.fail("the text ends where a value should be", "The file was probably cut short");
    if (char === "'") this.fail("a string in single quotes", "JSON strings stand in double quotes");
    if (/[NI]/.test(char)) this.fail("NaN and Infinity are not JSON", "Write null, or leave the value out");
    return this.fail(`"${char}" where a value should be`, "Write a string, a number, true, false, null, [ or {");
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > MAX_DEPTH) this.fail(`nested more than ${MAX_DEPTH} deep`, "Flatten the file");
    this.at++;
    const value = read();
    this.depth--;
    return value;
  }

  private object(): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (let first = true; !this.closes("}", first); first = false) {
      const keyAt = this.at;
      if (this.text[this.at] !== '"')
        this.fail("a key should be here", "Keys stand in double quotes; no comma after the last");
      const key = this.string();
      if (this.options.duplicateKeys === "error" && Object.hasOwn(result, key)) {
        this.at = keyAt;
        this.fail(`the key ${JSON.stringify(key)} is there twice`, "Remove one of the two");
      }
      this.skipSpace();
      if (!this.take(":")) this.fail(`":" should follow the key ${JSON.stringify(key)}`, "Write it");
      const value = this.value();
      // Plain assignment to "__proto__" would change the prototype instead of adding a key.
      if (key === "__proto__")
        Object.defineProperty(result, key, { value, enumerable: true, writable: true, configurable: true });
      else result[key] = value;
    }
    return result;
  }

  private array(): unknown[] {
    const result: unknown[] = [];
    for (let first = true; !this.closes("]", first); first = false) result.push(this.value());
    return result;
  }

  /** Consumes the closing bracket (true), or the comma before another item (false). */
  private closes(bracket: string, first: boolean): boolean {
    this.skipSpace();
    if (this.take(bracket)) return true;
    if (first) return false;
    if (!this.take(","))
      this.fail(`"," or "${bracket}" should be here`, "Look for a missing comma, quote or bracket before it");
    this.skipSpace();
    if (this.text[this.at] === bracket)
      this.fail(`a comma before "${bracket}"`, "Remove the comma after the last item");
    return false;
  }

  private string(): string {
    const start = ++this.at;
    let result = "";
    let from = start;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x22) return result + this.text.slice(from, this.at++);
      if (Number.isNaN(code)) {
        this.at = start - 1;
        this.fail("a string that never ends", "Add the closing quote");
      }
      if (code === 0x0a || code === 0x0d) {
        this.at = start - 1;
        this.fail("a string that does not end on its line", "Add the closing quote; a line break in a text is \\n");
      }
      if (code < 0x20) this.fail("a control character in a string", "Write it as an escape: \\n, \\t or \\u00XX");
      if (code === 0x5c) {
        result += this.text.slice(from, this.at) + this.escape();
        from = this.at;
      } else this.at++;
    }
  }

  private escape(): string {
    const char = this.text[this.at + 1];
    const hex = this.text.slice(this.at + 2, this.at + 6);
    if (char === "u" && /^[0-9a-fA-F]{4}$/.test(hex)) {
      this.at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const known = char !== undefined && Object.hasOwn(ESCAPES, char) ? ESCAPES[char] : null;
    if (known === null) this.fail("a backslash that starts no escape", "Write \\\\ for a backslash (Windows paths!)");
    this.at += 2;
    return known as string;
  }

  private number(): number {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match || /[\d.eE+-]/.test(this.text[NUMBER.lastIndex] ?? "")) {
      this.fail("this is not a number", "No leading zeros or plus signs; digits on both sides of the point");
    }
    this.at = NUMBER.lastIndex;
    return Number((match as RegExpExecArray)[0]);
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private skipSpace(): void {
    for (let c = this.text.charCodeAt(this.at); c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; ) {
      c = this.text.charCodeAt(++this.at);
    }
  }

  private fail(what: string, advice: string): never {
    const before = this.text.lastIndexOf("\n", this.at - 1);
    const lineStart = this.at === 0 ? 0 : before + 1;
    const next = this.text.indexOf("\n", lineStart);
    let line = this.options.firstLine ?? 1;
    for (let i = this.text.indexOf("\n"); i !== -1 && i < lineStart; i = this.text.indexOf("\n", i + 1)) line++;
    const lineText = this.text.slice(lineStart, next === -1 ? undefined : next).replace(/\r$/, "");
    throw new JsonError(this.file, what, advice, line, this.at - lineStart + 1, lineText);
  }
}
