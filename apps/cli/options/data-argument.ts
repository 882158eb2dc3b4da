/** A data set as the argument of a command: a table, or a folder whose files say which layout it has. */
import { type folderSets, isTableFile, RunConfig, type RunConfigInput, type TableData } from "../../../models/index.js";
import { UsageError } from "../terminal/exit.js";
import { exists } from "../train/run-folder.js";
import { givenFlags, TABLE } from "./run-flags.js";

type Set = (typeof folderSets)[number];

/** What a path and the flags for tables stand for. */
export async function dataArgument(
  path: string,
  set: Set | undefined,
  options: Readonly<Record<string, unknown>>,
): Promise<RunConfig["data"]> {
  const given = (givenFlags(options, [TABLE]).data ?? {}) as Partial<TableData>;
  const parsed = (data: RunConfigInput["data"]) => RunConfig.shape.data.parse(data);
  if (isTableFile(path)) {
    if (set) throw new UsageError(`--set is for a folder; ${path} is a table. Leave it out.`);
    return parsed({ ...given, set: "table", file: path });
  }
  if (Object.keys(given).length > 0)
    throw new UsageError(`--columns, --form and --image-folder are for a table, not for ${path}.`);
  return parsed({ set: set ?? (await setOf(path)), folder: path });
}

/** The data set that a folder is, by the files of its layout. */
async function setOf(folder: string): Promise<Set> {
  for (const [file, set] of [["trainset.json", "vqa-rad"] as const, ["train.json", "slake"] as const])
    if (await exists(`${folder}/${file}`)) return set;
  throw new UsageError(
    `${folder} is neither a table nor a folder with trainset.json (VQA-RAD) or train.json (SLAKE). Name a .csv, .tsv or .jsonl.`,
  );
}
