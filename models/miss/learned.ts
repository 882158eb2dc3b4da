/** What a model has learned, run after run: the rows of the run that made it, of the run that it started from, and so on. */
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { io } from "../../engine/index.js";
import type { Learned } from "../data/leak.js";
import { folderOf } from "../data/table.js";
import { sameTable } from "../data/unchanged.js";
import { RUN_FILE } from "../training/run-file.js";
import { loadParts } from "./parts.js";
import { asRecord, loadCaptions } from "./pretrain/captions.js";
import type { PretrainConfig } from "./pretrain/run-config.js";
import { readPretrainRun } from "./pretrain/run-state.js";
import type { RunConfig } from "./run-config.js";
import { readRun } from "./run-file.js";
import { sameGroups } from "./same-data.js";

type Data = RunConfig["data"];

export interface Lineage {
  readonly rows: readonly Learned[];
  /** Why not all of them are known; null where they are. */
  readonly unknown: string | null;
}

/** What `run` trained on. Rejects where its data cannot be read, or are not those that it recorded. */
export async function learnedIn(run: RunConfig, from: string, asked: Data, signal?: AbortSignal): Promise<Learned[]> {
  const { parts, data } = await loadParts(run, signal);
  const groups = sameGroups(data, asked);
  // Validation chose the checkpoint.
  return (["train", "validation"] as const).map((part) => ({
    ...{ part, records: parts[part], from, sameGroups: groups },
    ofFile: data.set === "table",
  }));
}

/** The images that a model was pre-trained on. Rejects where they cannot be read, or are not those that the run recorded. */
export async function pretrainedOn({ data }: PretrainConfig, from: string): Promise<Learned[]> {
  const { rows, sha256 } = await loadCaptions(data);
  sameTable(data.file, sha256, data.sha256);
  // Captions know no patients.
  return [{ part: "train", records: rows.map(asRecord), from, sameGroups: false, ofFile: true }];
}

/** What the start of `run` was trained on, and the start of that, to be compared with the rows of `asked`. */
export async function learnedBefore(
  { init }: Pick<RunConfig, "init">,
  asked: Data,
  signal?: AbortSignal,
  followed: readonly string[] = [],
): Promise<Lineage> {
  if (init === undefined || followed.includes(platform.absolute(init))) return { rows: [], unknown: null };
  const from = `the start ${init}`;
  try {
    // A checkpoint lies beside the settings of its run.
    const folders = [init, folderOf(init) || "."];
    const run = await first(folders, readRun);
    const pretrained = run ? null : await first(folders, readPretrainRun);
    const last = run ?? pretrained;
    if (!last) return { rows: [], unknown: `${from} has no ${RUN_FILE}` };
    const rows = pretrained
      ? await pretrainedOn(pretrained, from)
      : await learnedIn(run as RunConfig, from, asked, signal);
    const before = await learnedBefore(last, asked, signal, [...followed, platform.absolute(init)]);
    return { ...before, rows: [...rows, ...before.rows] };
  } catch (error) {
    return { rows: [], unknown: `${from}: ${whyUnreadable(error)}` };
  }
}

async function first<T>(folders: readonly string[], read: (folder: string) => Promise<T | null>): Promise<T | null> {
  for (const folder of folders) {
    const found = await read(folder);
    if (found) return found;
  }
  return null;
}

/** Why the data of another run cannot be read. Throws what is no matter of files. */
export function whyUnreadable(error: unknown): string {
  if (error instanceof io.FileFormatError) return `${error.file}: ${error.what}`;
  if (error instanceof FileError) return error.message;
  throw error;
}
