import { io, OptionError } from "../../engine/index.js";
import { imageIdentity } from "../data/digest.js";
import { withImages } from "../data/image-control.js";
import { findLeak, type Leak, sameNames } from "../data/leak.js";
import type { Part, VqaRecord } from "../data/record.js";
import { loadTable } from "../data/table.js";
import { sameTable } from "../data/unchanged.js";
import { type DataSplits, loadSplitsAfter, refuseUnlessAllowed } from "./datasets.js";
import { learnedIn } from "./learned.js";
import { isOrigin, type Made } from "./origin.js";
import { loadParts } from "./parts.js";
import { lastTuning, type Past, pastOfMade, whyLastUnknown } from "./past.js";
import type { PretrainConfig } from "./pretrain/run-config.js";
import type { RunConfig, TableData } from "./run-config.js";
import { sameData } from "./same-data.js";

/** What a model is measured with, and what is known of how that is related to its training. */
export interface Questions {
  /** Of the part, in the order of the file. */
  readonly questions: VqaRecord[];
  /** `all`: a table that no column and no run splits is evaluated as a whole. */
  readonly part: Part | "all";
  /** What the model was trained on; empty where that is not known. */
  readonly train: readonly VqaRecord[];
  /** What the questions share with that, and with what the model's start was trained on; null where it is nothing. */
  readonly leak: Leak | null;
  /** Why not all is known of what the model was trained on; null where it was compared. */
  readonly unchecked: string | null;
  /** What else to know before the numbers, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * The questions that a model is measured with: a part of the data that it was trained on (`made`: its run, or what it was made from; null
 * where that is not known), in the parts of that run, or other data, which are compared with all that the model has learned. Unless
 * `allowLeak` is set, what overlaps is refused as for a run (`loadSplits`), and a table that cannot be compared.
 */
export async function loadQuestions(
  config: RunConfig,
  part: Part,
  made: Made | null,
  signal?: AbortSignal,
): Promise<Questions> {
  const past = made ? await pastOfMade(made, isOrigin(made) ? "" : dataOf(made)) : null;
  const tuned = lastTuning(made);
  const own = past !== null && tuned !== null && sameData(config.data, tuned.data);
  const found = await (own ? ownPart(config, part, tuned, past, signal) : otherPart(config, part, made, past, signal));
  return { ...found, questions: withImages(found.questions, config.images, config.seed) };
}

/** What a run trained on, in words. */
function dataOf(run: RunConfig | PretrainConfig): string {
  const { data } = run;
  return "file" in data ? data.file : `${data.set} in ${data.folder}`;
}

const TRAINING = "The model was trained on these questions: how it answers them says nothing about others";

async function ownPart(
  { data }: RunConfig,
  part: Part,
  tuned: RunConfig,
  past: Past,
  signal?: AbortSignal,
): Promise<Questions> {
  const same = data.allowLeak ? { ...tuned.data, allowLeak: true } : tuned.data;
  const before = { ...past, runs: past.runs.slice(1) };
  const splits = await loadSplitsAfter({ ...tuned, data: same, images: "real" }, before, signal);
  if (splits[part].length === 0) throw noQuestions(part);
  const { train, unchecked, notices } = splits;
  const more = part === "train" ? [TRAINING] : [];
  return {
    questions: splits[part],
    part,
    train,
    leak: leakOf(splits, part),
    unchecked,
    notices: [...notices, ...more],
  };
}

/** The leak of one part. */
function leakOf({ leak }: DataSplits, part: Part): Leak | null {
  const rows = leak?.rows.filter((row) => row.part === part) ?? [];
  return leak && rows.length > 0 ? { ...leak, rows } : null;
}

async function otherPart(
  config: RunConfig,
  part: Part,
  made: Made | null,
  past: Past | null,
  signal?: AbortSignal,
): Promise<Questions> {
  const { data } = config;
  const found = data.set === "table" ? await ofTable(data, part) : await ofFolder(config, part, signal);
  const { ofRuns, rows, unknown: unchecked } = await learnedIn(past ?? UNTOLD, found.data, signal);
  const last = whyLastUnknown(made) === null ? ofRuns[0] : null;
  if (!last && unchecked && data.set === "table" && !data.allowLeak) refuseUnknown(unchecked, data.file);
  const { questions, train } = found;
  const learned = rows.map(({ records }) => records);
  const images = [questions, train, ...learned].flat().map(({ image }) => image);
  const identity = await imageIdentity(images, signal);
  const asked = { train: [], validation: [], test: questions };
  const leak = findLeak(asked, identity, rows);
  refuseUnlessAllowed(leak, findLeak({ ...asked, train }, identity), data);
  const names = sameNames(questions, rows, leak);
  return {
    ...{ questions, part: found.part, leak, unchecked, notices: names ? [names] : [] },
    // Captions are no questions: what a pre-trained model learned gives no answers to choose from.
    train: last && lastTuning(made) ? last[0].records : train,
  };
}

/** Of a model that nothing is known of. */
const UNTOLD: Past = { runs: [], unknown: [whyLastUnknown(null) as string] };

interface Found {
  readonly questions: VqaRecord[];
  readonly part: Part | "all";
  /** Training rows of the same data set; none of a table. */
  readonly train: readonly VqaRecord[];
  readonly data: RunConfig["data"];
}

const noQuestions = (part: Part) => new OptionError(`There are no ${part} questions: none were held back.`);

async function ofFolder(config: RunConfig, part: Part, signal?: AbortSignal): Promise<Found> {
  const { parts, data } = await loadParts(config, signal);
  if (parts[part].length === 0) throw noQuestions(part);
  return { questions: parts[part], part, train: parts.train, data };
}

/** The part that a column says, or all of the table. */
async function ofTable(table: TableData, part: Part): Promise<Found> {
  const { file, columns, images: imageFolder, form, referenceBugs } = table;
  const { rows, sha256 } = await loadTable(file, { columns, imageFolder, form, referenceBugs });
  sameTable(file, sha256, table.sha256);
  const data = { ...table, sha256 };
  if (!rows.some((row) => row.part)) {
    if (part === "test") return { questions: rows, part: "all", train: [], data };
    throw new OptionError(`${file} has no column that says the split, so there is no part "${part}".`);
  }
  const questions = rows.filter((row) => row.part === part);
  if (questions.length === 0)
    throw new io.FileFormatError(file, `no row is in the part "${part}"`, "Choose another part");
  return { questions, part, train: [], data };
}

function refuseUnknown(why: string, file: string): never {
  throw new io.FileFormatError(
    file,
    `it cannot be compared with what the model was trained on (${why})`,
    "Put that back, or go on without knowing whether it was trained on these rows (--allow-leak): every report will say so",
  );
}
