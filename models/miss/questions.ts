import { io, OptionError } from "../../engine/index.js";
import { imageIdentity } from "../data/digest.js";
import { withImages } from "../data/image-control.js";
import { findLeak, type Leak } from "../data/leak.js";
import type { Part, VqaRecord } from "../data/record.js";
import { loadTable, sameTable } from "../data/table.js";
import { type DataSplits, loadSplits, refuseLeak } from "./datasets.js";
import type { RunConfig } from "./run-config.js";

export interface Questions {
  readonly questions: VqaRecord[];
  /** `all`: a table that no column and no run splits is evaluated as a whole. */
  readonly part: Part | "all";
  /** What the model was trained on; empty where that is not known. */
  readonly train: readonly VqaRecord[];
  /** What the questions share with that; null where it is nothing, or nothing is known. */
  readonly leak: Leak | null;
  /** Why nothing is known of what the model was trained on; null where it was compared. */
  readonly unchecked: string | null;
}

/**
 * The questions that a model is measured with: a part of the data that it was trained on (`trained`: its run, null where
 * there is none), or other data, which are compared with its training rows. A table that overlaps with them is refused,
 * unless `allowLeak` is set.
 */
export async function loadQuestions(
  config: RunConfig,
  part: Part,
  trained: RunConfig | null,
  signal?: AbortSignal,
): Promise<Questions> {
  const real: RunConfig = { ...config, images: "real" };
  const own = trained !== null && sameData(config.data, trained.data);
  const found = own || config.data.set !== "table" ? await partOfSplits(real, part, signal) : await ofTable(real, part);
  const seen = withImages(found.questions, config.images, config.seed);
  const answered = { questions: seen, part: found.part };
  // Questions of the training itself share everything with it, and are asked for as such.
  if (own || part === "train")
    return { ...answered, train: found.splits?.train ?? [], leak: leakOf(found.splits, part), unchecked: null };

  const known = await trainingRows(trained, signal);
  if (typeof known === "string") return { ...answered, train: found.splits?.train ?? [], leak: null, unchecked: known };
  const rows = [...known.train, ...known.validation];
  const identity = await imageIdentity(
    [...rows, ...found.questions].map(({ image }) => image),
    signal,
  );
  const leak = findLeak({ train: rows, validation: [], test: found.questions }, identity);
  if (leak && config.data.set === "table" && !config.data.allowLeak) refuseLeak(leak, config.data.file);
  return { ...answered, train: known.train, leak, unchecked: null };
}

interface Found {
  readonly questions: VqaRecord[];
  readonly part: Part | "all";
  readonly splits?: DataSplits;
}

async function partOfSplits(config: RunConfig, part: Part, signal?: AbortSignal): Promise<Found> {
  const splits = await loadSplits(config, signal);
  if (splits[part].length === 0) throw new OptionError(`There are no ${part} questions: none were held back.`);
  return { questions: splits[part], part, splits };
}

/** Of a table that the model was not trained on: the part that its column says, or all of it. */
async function ofTable({ data }: RunConfig, part: Part): Promise<Found> {
  if (data.set !== "table") throw new Error("unreachable");
  const { file, columns, images: imageFolder } = data;
  const { rows, sha256 } = await loadTable(file, { columns, imageFolder });
  sameTable(file, sha256, data.sha256);
  if (!rows.some((row) => row.part)) {
    if (part === "test") return { questions: rows, part: "all" };
    throw new OptionError(`${file} has no column that says the split, so there is no part "${part}".`);
  }
  const questions = rows.filter((row) => row.part === part);
  if (questions.length === 0)
    throw new io.FileFormatError(file, `no row is in the part "${part}"`, "Choose another part");
  return { questions, part };
}

/** The splits of the run, or why they are not known. */
async function trainingRows(trained: RunConfig | null, signal?: AbortSignal): Promise<DataSplits | string> {
  if (!trained) return "the model's folder has no run.json";
  try {
    return await loadSplits({ ...trained, images: "real" }, signal);
  } catch (error) {
    if (error instanceof io.FileFormatError) return `${error.file}: ${error.what}`;
    throw error;
  }
}

/** The leak of one part. */
function leakOf(splits: DataSplits | undefined, part: Part): Leak | null {
  const rows = splits?.leak?.rows.filter((row) => row.part === part) ?? [];
  return splits?.leak && rows.length > 0 ? { ...splits.leak, rows } : null;
}

/** Whether two runs have the same questions in the same file, but for what does not change them. */
function sameData(a: RunConfig["data"], b: RunConfig["data"]): boolean {
  const kept = (data: RunConfig["data"]) => JSON.stringify({ ...data, sha256: undefined, allowLeak: undefined });
  return kept(a) === kept(b);
}
