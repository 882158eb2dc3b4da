/** A data set as the argument of a command: a table, or a folder whose files say which layout it has. */
import { readdir } from "node:fs/promises";
import {
  type DataSet,
  type folderSets,
  isTableFile,
  type Part,
  RunConfig,
  type RunConfigInput,
  type TableData,
} from "../../../models/index.js";
import { UsageError } from "../terminal/exit.js";
import { givenFlags, TABLE } from "./run-flags.js";

type Set = (typeof folderSets)[number];

/** What a path and the flags for tables stand for. */
export async function dataArgument(
  path: string,
  set: Set | undefined,
  options: Readonly<Record<string, unknown>>,
): Promise<DataSet> {
  const given = (givenFlags(options, [TABLE]).data ?? {}) as Partial<TableData>;
  const parsed = (data: RunConfigInput["data"]) => RunConfig.shape.data.parse(data);
  if (isTableFile(path)) {
    if (set) throw new UsageError(`--set is for a folder; ${path} is a table. Leave it out.`);
    return parsed({ ...given, set: "table", file: path });
  }
  const names = set ? [] : await namesIn(path);
  const known = set ?? layoutOf(names);
  if (known) {
    if (Object.keys(given).length > 0)
      throw new UsageError(
        `--columns, --form and --image-folder are for tables, not for ${path}, which is a ${known} folder.`,
      );
    return parsed({ set: known, folder: path });
  }
  const tables = names.filter((name) => isTableFile(name) && (given.form || !/\.jso[nl]$/i.test(name)));
  const files = tables.flatMap((name) => {
    const part = partOf(name);
    return part ? [{ file: `${path}/${name}`, part }] : [];
  });
  const { columns, images: imageFolder = path, form } = given;
  if (files.length > 1) return { set: "tables", folder: path, files, options: { columns, imageFolder, form } };
  if (tables.length === 1) return parsed({ ...given, set: "table", file: `${path}/${tables[0]}` });
  const found = tables.length === 0 ? "no table" : `the tables ${tables.join(", ")}`;
  throw new UsageError(
    `${path} has ${found}: name one of them, or call those of the parts train, val and test. A folder may also have trainset.json (VQA-RAD), ` +
      "or train.json and test.json (SLAKE); JSON in another form needs --form.",
  );
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    throw new UsageError(`${folder} is neither a table (.csv, .tsv, .jsonl) nor a folder.`);
  }
}

/** The published data set that a folder is, by the files of its layout. */
function layoutOf(names: readonly string[]): Set | null {
  if (names.includes("trainset.json")) return "vqa-rad";
  return names.includes("train.json") && names.includes("test.json") ? "slake" : null;
}

const PARTS: Readonly<Record<string, Part>> = {
  ...{ train: "train", training: "train", test: "test", testing: "test" },
  ...{ val: "validation", valid: "validation", validate: "validation", validation: "validation", dev: "validation" },
};

/** `rows-train.csv`, `test.jsonl`: the last word says it. */
function partOf(name: string): Part | null {
  const word = /([a-z]+)\.[a-z]+$/i.exec(name)?.[1].toLowerCase() ?? "";
  return Object.hasOwn(PARTS, word) ? PARTS[word] : null;
}
