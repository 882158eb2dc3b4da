/** What a model has learned: the rows of the runs that made it. */
import type { Learned } from "../data/leak.js";
import { sameTable } from "../data/unchanged.js";
import { isPretrained } from "./origin.js";
import { loadParts } from "./parts.js";
import { type Past, type PastRun, whyUnreadable } from "./past.js";
import { asRecord, loadCaptions } from "./pretrain/captions.js";
import type { PretrainConfig } from "./pretrain/run-config.js";
import type { RunConfig } from "./run-config.js";
import { sameGroups } from "./same-data.js";

type Data = RunConfig["data"];

export interface Lineage {
  /** Of each run, the last first; null where its data cannot be read. */
  readonly ofRuns: readonly (readonly Learned[] | null)[];
  /** All of them. */
  readonly rows: readonly Learned[];
  /** Why not all is known; null where it is. */
  readonly unknown: string | null;
}

/** What the runs of a model's past trained on, to be compared with the rows of `asked`. One whose data are gone hides no other. */
export async function learnedIn({ runs, unknown }: Past, asked: Data, signal?: AbortSignal): Promise<Lineage> {
  const reasons = [...unknown];
  const ofRuns: (readonly Learned[] | null)[] = [];
  for (const past of runs)
    try {
      ofRuns.push(await rowsOf(past, asked, signal));
    } catch (error) {
      reasons.push(`${past.from}: ${whyUnreadable(error)}`);
      ofRuns.push(null);
    }
  const rows = ofRuns.flatMap((each) => each ?? []);
  return { ofRuns, rows, unknown: reasons.length > 0 ? reasons.join("; ") : null };
}

/** Rejects where its data cannot be read, or are not those that the run recorded. */
const rowsOf = ({ from, run }: PastRun, asked: Data, signal?: AbortSignal): Promise<Learned[]> =>
  isPretrained(run) ? pretrainedOn(run, from) : trainedOn(run, from, asked, signal);

async function trainedOn(run: RunConfig, from: string, asked: Data, signal?: AbortSignal): Promise<Learned[]> {
  const { parts, data } = await loadParts(run, signal);
  const groups = sameGroups(data, asked);
  // Validation chose the checkpoint.
  return (["train", "validation"] as const).map((part) => ({
    ...{ part, records: parts[part], from, sameGroups: groups },
    ofFile: data.set === "table",
  }));
}

/** The images that a model was pre-trained on. */
async function pretrainedOn({ data }: PretrainConfig, from: string): Promise<Learned[]> {
  const { rows, sha256 } = await loadCaptions(data);
  sameTable(data.file, sha256, data.sha256);
  // Captions know no patients.
  return [{ part: "train", records: rows.map(asRecord), from, sameGroups: false, ofFile: true }];
}
