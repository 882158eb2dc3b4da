/** What a run writes down while it goes on: log.jsonl, a line for each step and validation, and the same for TensorBoard. */
import { platform } from "#platform";
import { EVENT_FILE, fileHead, records, scalarRecord } from "./event-file.js";

/** In the folder of a run. */
export const LOG_FILE = "log.jsonl";

/** A line of log.jsonl. Clocks aside, the same run writes the same lines, stopped and resumed or not. */
export type LogLine = StepLine | ValidationLine;

/** A step. */
export interface StepLine {
  /** What the line is about. */
  readonly type: "step";
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  /** Mean over the questions of the step; null where it is not finite. */
  readonly loss: number | null;
  /** Learning rate that it used. */
  readonly lr: number;
  /** Of the clock: seconds since the step before, or since the first one could begin. */
  readonly seconds: number;
  /** Of the clock: of these, how many the device had nothing to do since the data was not there. */
  readonly waited: number;
}

/** A validation. */
export interface ValidationLine {
  /** What the line is about. */
  readonly type: "validation";
  /** Steps done. */
  readonly step: number;
  /** That of the step before it, from 1. */
  readonly epoch: number;
  /** Share of right answers, where answers are measured. */
  readonly accuracy?: number;
  /** As the run measures it. */
  readonly loss: number;
}

/** What of a run's events is written down. */
type Logged =
  | (Pick<StepLine, "type" | "step" | "epoch" | "lr" | "waited"> & { readonly loss: number })
  | { readonly type: "validation"; readonly validation: Omit<ValidationLine, "type"> };

/** Where a run goes on: what its logs hold of later steps is done, and written, again. */
export interface LoggedUntil {
  readonly step: number;
  readonly validations: readonly { readonly step: number }[];
}

/** Milliseconds between two writes at least, unless a checkpoint is about to be written. */
const OFTEN = 1000;

export class RunLog {
  readonly #lines: GrowingFile;
  readonly #events: GrowingFile;
  #steppedAt = performance.now();
  #flushedAt = 0;
  #flushing: Promise<void> = Promise.resolve();
  #failed: unknown = null;

  private constructor(lines: GrowingFile, events: GrowingFile) {
    this.#lines = lines;
    this.#events = events;
  }

  /** The logs in the folder of a run, cut to what happened until the state that it goes on from; null for a new run. */
  static async open(folder: string, until: LoggedUntil | null): Promise<RunLog> {
    const files = [`${folder}/${LOG_FILE}`, `${folder}/${EVENT_FILE}`];
    const [lines, events] = await Promise.all(files.map((file) => (until ? bytesOf(file) : new Uint8Array())));
    return new RunLog(
      new GrowingFile(files[0], until ? linesUntil(lines, until) : 0),
      new GrowingFile(files[1], until ? eventsUntil(events, until) : 0),
    );
  }

  /** Writes a step or a validation down; other events are none of its business. */
  record(event: Logged | { readonly type: string }): void {
    if (isStep(event)) {
      const now = performance.now();
      const { type, step, epoch, loss, lr, waited } = event;
      const seconds = (now - this.#steppedAt) / 1000;
      this.#steppedAt = now;
      const line: StepLine = { type, step, epoch, loss: Number.isFinite(loss) ? loss : null, lr, seconds, waited };
      const times = { "time/seconds_per_step": seconds, "time/waited_for_data": waited };
      this.#write(line, { "train/loss": loss, "train/lr": lr, ...times });
    } else if (isValidation(event)) {
      const { step, epoch, accuracy, loss } = event.validation;
      const measured = { ...(accuracy !== undefined && { accuracy }), loss };
      const scalars = Object.fromEntries(
        Object.entries(measured).map(([name, value]) => [`validation/${name}`, value]),
      );
      this.#write({ type: "validation", step, epoch, ...measured }, scalars);
      this.#steppedAt = performance.now();
    } else if (event.type === "ready") this.#steppedAt = performance.now();
  }

  #write(line: LogLine, scalars: Readonly<Record<string, number>>): void {
    const wallTime = Date.now() / 1000;
    this.#lines.add(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
    if (this.#events.size === 0) this.#events.add(fileHead(wallTime));
    this.#events.add(scalarRecord({ wallTime, step: line.step, scalars }));
    if (performance.now() - this.#flushedAt < OFTEN) return;
    this.#flushedAt = performance.now();
    this.#flush();
  }

  #flush(): Promise<void> {
    this.#flushing = this.#flushing.then(async () => {
      try {
        await this.#lines.flush();
        await this.#events.flush();
      } catch (error) {
        this.#failed ??= error;
      }
    });
    return this.#flushing;
  }

  /** All of it is in its files. Rejects with FileError where that cannot be, or could not before. */
  async flush(): Promise<void> {
    await this.#flush();
    if (this.#failed) throw this.#failed;
  }
}

/** The options of a run with its log, which hears every event before the caller does. */
export function logged<Event extends { readonly type: string }, Options extends { onEvent?(event: Event): void }>(
  options: Options,
  log: RunLog,
): Options & { readonly log: RunLog } {
  const onEvent = (event: Event) => {
    log.record(event);
    options.onEvent?.(event);
  };
  return { ...options, onEvent, log };
}

const isStep = (event: { readonly type: string }): event is Extract<Logged, { type: "step" }> => event.type === "step";
const isValidation = (event: { readonly type: string }): event is Extract<Logged, { type: "validation" }> =>
  event.type === "validation";

/** A file whose end is written again and again. */
class GrowingFile {
  readonly #path: string;
  /** Bytes with those that wait. */
  size: number;
  /** Bytes that are written. */
  #written: number;
  #waiting: Uint8Array[] = [];
  /** Whether the file has more than is its own: a step that is done again, or half a line. */
  #cut = true;

  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
    this.#written = size;
  }

  add(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.size += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#cut) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const bytes = new Uint8Array(waiting.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of waiting) {
      bytes.set(part, at);
      at += part.length;
    }
    await platform.writeEnd(this.#path, this.#written, bytes);
    this.#written += bytes.length;
    this.#cut = false;
  }
}

async function bytesOf(path: string): Promise<Uint8Array> {
  if (!(await platform.exists(path))) return new Uint8Array();
  const file = await platform.openFile(path);
  try {
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

/** A validation comes behind the step of its number, and a checkpoint may be between them. */
const happened = (isOfValidation: boolean, step: number, { step: last, validations }: LoggedUntil): boolean =>
  step <= (isOfValidation ? (validations.at(-1)?.step ?? 0) : last);

/** Bytes of the lines that happened. */
function linesUntil(file: Uint8Array, until: LoggedUntil): number {
  let kept = 0;
  for (let end = file.indexOf(10); end >= 0; end = file.indexOf(10, kept)) {
    const line = parsed(new TextDecoder().decode(file.subarray(kept, end)));
    if (!line || !happened(line.type === "validation", line.step, until)) break;
    kept = end + 1;
  }
  return kept;
}

function parsed(text: string): LogLine | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Bytes of the events that happened. */
function eventsUntil(file: Uint8Array, until: LoggedUntil): number {
  let kept = 0;
  for (const { end, step, tags } of records(file)) {
    const isOfValidation = tags.some((tag) => tag.startsWith("validation/"));
    if (!happened(isOfValidation, step, until)) break;
    kept = end;
  }
  return kept;
}
