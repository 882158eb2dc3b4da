/** One damaged file is read, and all that a reader promises is looked at. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileError } from "../../bindings/platform/file-error.js";
import { ConsiliumError, io } from "../../engine/index.js";
import { type Case, nameOf } from "./cases.js";
import { watchMemory } from "./memory.js";

/** What became of a file. */
export interface Outcome {
  /** `PNG#17`. */
  readonly name: string;
  readonly isPastHeader: boolean;
  /** Whether it was taken; else it was refused. */
  readonly isParsed: boolean;
  /** Of the clock or of the processor, whichever was less: another process may have had the machine. */
  readonly milliseconds: number;
  /** Memory that reading it took at most, beyond what is allowed where it is above 1 (`bound`). */
  readonly bytes: number;
  readonly size: number;
  /** What the reader said. */
  readonly message: string;
  /** What is wrong with that; null where the reader kept its promises. */
  readonly fault: string | null;
}

export const MOST_MILLISECONDS = 5000;
/** Bytes that reading a file of that size may take. */
export const bound = (size: number) => 2 * size + 64e6;
/** A message is for people. */
const LONGEST_MESSAGE = 20_000;
/** Reading is measured again behind a garbage collection from here on: what others left is none of its doing. */
const SUSPICIOUS = 16e6;

export async function readCase(one: Case, scratch: string): Promise<Outcome> {
  const first = await attempt(one, scratch);
  if (first.bytes < SUSPICIOUS) return first;
  globalThis.gc?.();
  const second = await attempt(one, scratch);
  return second.fault === null || second.bytes <= first.bytes ? second : first;
}

async function attempt(one: Case, scratch: string): Promise<Outcome> {
  const { format, sample, bytes } = one;
  const folder = mkdtempSync(join(scratch, "case-"));
  const path = join(folder, sample.name);
  for (const [name, content] of Object.entries({ ...sample.beside, [sample.name]: bytes }))
    writeFileSync(join(folder, name), content);
  try {
    const isPastHeader = await format.isPastHeader(bytes, sample);
    const used = watchMemory();
    const [clock, processor] = [performance.now(), process.cpuUsage()];
    const error = await format.read(path, sample).then(
      () => null,
      (cause: unknown) => cause ?? new Error("it rejected with nothing"),
    );
    const { user, system } = process.cpuUsage(processor);
    const milliseconds = Math.min(performance.now() - clock, (user + system) / 1000);
    const measured = used();
    const message = error === null ? "" : error instanceof Error ? error.message : String(error);
    const name = nameOf(one);
    const outcome = {
      name,
      isPastHeader,
      isParsed: error === null,
      milliseconds,
      bytes: measured,
      size: bytes.length,
      message: message.slice(0, 1000),
    };
    return { ...outcome, fault: faultOf(error, folder) ?? limitsOf(outcome) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isTyped = (error: unknown): error is Error =>
  error instanceof io.FileFormatError || error instanceof FileError || error instanceof ConsiliumError;

function faultOf(error: unknown, folder: string): string | null {
  if (error === null) return null;
  if (!isTyped(error)) return `no error of the library: ${error instanceof Error ? error.stack : String(error)}`;
  if (!error.message.includes(folder)) return "the error does not name the file";
  if (error.message.length > LONGEST_MESSAGE) return `a message of ${error.message.length} characters`;
  return null;
}

function limitsOf({ milliseconds, bytes, size }: Pick<Outcome, "milliseconds" | "bytes" | "size">): string | null {
  if (milliseconds > MOST_MILLISECONDS) return `it took ${Math.round(milliseconds)} ms`;
  if (bytes > bound(size)) return `it took ${(bytes / 1e6).toFixed(1)} MB for a file of ${size} bytes`;
  return null;
}
