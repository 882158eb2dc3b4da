/** The runs that made a model: the last one, the run that this one started from, those of the models that it was made from, and so on. */
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { io } from "../../engine/index.js";
import { folderOf } from "../data/table.js";
import { RUN_FILE } from "../training/run-file.js";
import { isOrigin, isPretrained, type Made, type Origin, readMade, type Source } from "./origin.js";
import type { PretrainConfig } from "./pretrain/run-config.js";
import type { RunConfig } from "./run-config.js";

/** A run that taught a model. */
export interface PastRun {
  /** Whose it is, in words. */
  readonly from: string;
  readonly run: RunConfig | PretrainConfig;
}

export interface Past {
  /** The last first. */
  readonly runs: readonly PastRun[];
  /** What taught the model, too, and is not known, a sentence each. */
  readonly unknown: readonly string[];
}

const NOTHING: Past = { runs: [], unknown: [] };

/** Of a checkpoint that a run starts from. `followed` are those that led to it. */
export async function pastOf(start: string | undefined, followed: readonly string[] = []): Promise<Past> {
  if (start === undefined || followed.includes(platform.absolute(start))) return NOTHING;
  const from = `the start ${start}`;
  try {
    // A checkpoint lies beside the settings of its run.
    const made = (await readMade(start)) ?? (await readMade(folderOf(start) || "."));
    if (made) return await pastOfMade(made, from, [...followed, platform.absolute(start)]);
    return { runs: [], unknown: [`${from} has no ${RUN_FILE}`] };
  } catch (error) {
    return { runs: [], unknown: [`${from}: ${whyUnreadable(error)}`] };
  }
}

/** Of a model by what made it; `from` says whose the run is. */
export async function pastOfMade(made: Made, from: string, followed: readonly string[] = []): Promise<Past> {
  if (isOrigin(made)) return pastOfSources(made, followed);
  const before = await pastOf(made.init, followed);
  return { ...before, runs: [{ from, run: made }, ...before.runs] };
}

async function pastOfSources({ sources }: Origin, followed: readonly string[]): Promise<Past> {
  const pasts: Past[] = [];
  for (const source of [...sources].reverse()) {
    const made = source.run ?? source.origin;
    const from = nameOf(source);
    pasts.push(made ? await pastOfMade(made, from, followed) : { runs: [], unknown: [`${from} had no ${RUN_FILE}`] });
  }
  // Adapters and their base are of one run where both were taken out of it.
  const texts = new Set<string>();
  const isNew = ({ run }: PastRun) => texts.size < texts.add(JSON.stringify(run)).size;
  return {
    runs: pasts.flatMap(({ runs }) => runs).filter(isNew),
    unknown: [...new Set(pasts.flatMap(({ unknown }) => unknown))],
  };
}

const nameOf = ({ of, path }: Source) => `the ${of} ${path}`;

/** Why nothing is known of what taught a model last; null where that is known. */
export function whyLastUnknown(made: Made | null): string | null {
  if (made === null) return `the model's folder has no ${RUN_FILE}`;
  if (!isOrigin(made)) return null;
  const last = made.sources[made.sources.length - 1];
  if (last.origin) return whyLastUnknown(last.origin);
  return last.run ? null : `${nameOf(last)} had no ${RUN_FILE}`;
}

/** The run that tuned a model last; null where none did, or it is not known. */
export function lastTuning(made: Made | null): RunConfig | null {
  if (made === null) return null;
  if (!isOrigin(made)) return isPretrained(made) ? null : made;
  const { run, origin } = made.sources[made.sources.length - 1];
  return lastTuning(run ?? origin ?? null);
}

/** Why the data of another run cannot be read. Throws what is no matter of files. */
export function whyUnreadable(error: unknown): string {
  if (error instanceof io.FileFormatError) return `${error.file}: ${error.what}`;
  if (error instanceof FileError) return error.message;
  throw error;
}
