import { io, OptionError } from "../../engine/index.js";
import { imageIdentity } from "../data/digest.js";
import { withImages } from "../data/image-control.js";
import { findLeak, type Leak, type Learned, sameNames } from "../data/leak.js";
import type { Part, VqaRecord } from "../data/record.js";
import { loadTable } from "../data/table.js";
import { sameTable } from "../data/unchanged.js";
import { type DataSplits, loadSplits, refuseUnlessAllowed } from "./datasets.js";
import { learnedBefore, learnedIn, pretrainedOn, whyUnreadable } from "./learned.js";
import { loadParts } from "./parts.js";
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
 * The questions that a model is measured with: a part of the data that it was trained on (`trained`: its run, null where
 * there is none), in the parts of that run, or other data, which are compared with its training rows. Unless `allowLeak` is
 * set, what overlaps is refused as for a run (`loadSplits`), and a table that cannot be compared.
 */
export async function loadQuestions(
  config: RunConfig,
  part: Part,
  trained: RunConfig | PretrainConfig | null,
  signal?: AbortSignal,
): Promise<Questions> {
  const tuned = trained && !isPretrained(trained) ? trained : null;
  const own = tuned !== null && sameData(config.data, tuned.data);
  const found = await (own ? ownPart(config, part, tuned, signal) : otherPart(config, part, trained, signal));
  return { ...found, questions: withImages(found.questions, config.images, config.seed) };
}

const isPretrained = (run: RunConfig | PretrainConfig): run is PretrainConfig => "task" in run;

const TRAINING = "The model was trained on these questions: how it answers them says nothing about others";

async function ownPart({ data }: RunConfig, part: Part, trained: RunConfig, signal?: AbortSignal): Promise<Questions> {
  const allowed = data.set === "table" && data.allowLeak;
  const same = trained.data.set === "table" && allowed ? { ...trained.data, allowLeak: true } : trained.data;
  const splits = await loadSplits({ ...trained, data: same, images: "real" }, signal);
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
  trained: RunConfig | PretrainConfig | null,
  signal?: AbortSignal,
): Promise<Questions> {
  const { data } = config;
  const found = data.set === "table" ? await ofTable(data, part) : await ofFolder(config, part, signal);
  const { rows, unknown, unchecked } = await learned(trained, found.data, signal);
  if (unknown && data.set === "table" && !data.allowLeak) refuseUnknown(unknown, data.file);
  const images = [found.questions, ...rows.map(({ records }) => records)].flat().map(({ image }) => image);
  const leak = findLeak(
    { train: [], validation: [], test: found.questions },
    await imageIdentity(images, signal),
    rows,
  );
  refuseUnlessAllowed(leak, data);
  const names = sameNames(found.questions, rows, leak);
  return {
    ...{ questions: found.questions, part: found.part, leak, unchecked, notices: names ? [names] : [] },
    // Captions are no questions: what a pre-trained model learned gives no answers to choose from.
    train: unknown || (trained && isPretrained(trained)) ? found.train : rows[0].records,
  };
}

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

interface Compared {
  /** The training rows of the model's own run come first. */
  readonly rows: readonly Learned[];
  /** Why nothing is known of what the model itself was trained on. */
  readonly unknown: string | null;
  /** Why not all is known, of it or of its start. */
  readonly unchecked: string | null;
}

async function learned(
  trained: RunConfig | PretrainConfig | null,
  asked: RunConfig["data"],
  signal?: AbortSignal,
): Promise<Compared> {
  const nothing = (unknown: string) => ({ rows: [], unknown, unchecked: unknown });
  if (!trained) return nothing("the model's folder has no run.json");
  try {
    const rows = await rowsOf(trained, asked, signal);
    const before = await learnedBefore(trained, asked, signal);
    return { rows: [...rows, ...before.rows], unknown: null, unchecked: before.unknown };
  } catch (error) {
    return nothing(whyUnreadable(error));
  }
}

/** What the model's own run learned. */
function rowsOf(trained: RunConfig | PretrainConfig, asked: RunConfig["data"], signal?: AbortSignal) {
  if (isPretrained(trained)) return pretrainedOn(trained, trained.data.file);
  const { data } = trained;
  return learnedIn(trained, data.set === "table" ? data.file : `${data.set} in ${data.folder}`, asked, signal);
}

function refuseUnknown(why: string, file: string): never {
  throw new io.FileFormatError(
    file,
    `it cannot be compared with what the model was trained on (${why})`,
    "Put that back, or go on without knowing whether it was trained on these rows (--allow-leak): every report will say so",
  );
}
