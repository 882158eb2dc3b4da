import { type FileHandle, open, readFile, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { platform } from "#platform";
import { onFile } from "../../../bindings/platform/node-file-error.js";
import { ignore, makeFolder } from "../../../bindings/platform/node-files.js";
import { io } from "../../../engine/index.js";

/** What is written as a line. */
export type Line = Readonly<Record<string, unknown>>;

/**
 * A file of JSON lines that grows by one at a time, each on the disk before the next begins: whatever ends the process, what was
 * added before is there. A line that cannot be written whole is taken back; one that was cut short, when the file is opened.
 */
export class LineFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** Every line, in the order of the file. */
  readonly lines: Line[];
  /** Appends run one after the other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, lines: Line[]) {
    this.path = path;
    this.#file = file;
    this.lines = lines;
  }

  /** Opens the file, or makes it. Throws FileFormatError where a line that is whole is no JSON object. */
  static async open(path: string): Promise<LineFile> {
    const text = await onFile(path, readFile(path, "utf8").catch(ignore("ENOENT")));
    const lines = text ? await repaired(path, text) : [];
    await onFile(path, makeFolder(dirname(path)));
    return new LineFile(path, await onFile(path, open(path, "a")), lines);
  }

  /** Adds a line; resolves when it is on the disk. */
  append(line: Line): Promise<void> {
    const adding = this.#last.then(() => onFile(this.path, this.#write(line)));
    this.#last = adding.catch(() => {});
    return adding;
  }

  async #write(line: Line): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    const { size } = await this.#file.stat();
    try {
      for (let done = 0; done < bytes.length; )
        done += (await this.#file.write(bytes, done, bytes.length - done)).bytesWritten;
      await this.#file.datasync();
    } catch (error) {
      // The next line must not begin behind half of this one.
      await this.#file.truncate(size).catch(() => {});
      throw error;
    }
    this.lines.push(line);
  }

  /** Closes the file and writes `lines` in its place, so that a reader sees the old ones or these. */
  async finish(lines: readonly Line[]): Promise<void> {
    await this.close();
    if (lines.length === this.lines.length && lines.every((line, i) => line === this.lines[i])) return;
    await platform.writeFile(this.path, [
      new TextEncoder().encode(lines.map((l) => `${JSON.stringify(l)}\n`).join("")),
    ]);
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
  }
}

/** The lines of `text`; the file ends with a whole one from then on. */
async function repaired(path: string, text: string): Promise<Line[]> {
  const end = text.lastIndexOf("\n") + 1;
  const tail = text.slice(end);
  // A line without its end was not finished, even where it reads as one.
  if (tail !== "") await onFile(path, truncate(path, Buffer.byteLength(text.slice(0, end))));
  return io.parseJsonLines(text.slice(0, end), path).map(({ line, value }) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Line;
    throw new io.FileFormatError(`${path}:${line}`, "it is no JSON object", ADVICE);
  });
}

const ADVICE = "The file holds one JSON object a line: name another file, or take the line out";
