/** The files that a data set is made of, and its rows as far as they can be read. */
import { platform } from "#platform";
import type { Problem } from "../data/problem.js";
import { parsePublished } from "../data/published.js";
import type { Part } from "../data/record.js";
import { parseTable, readTableFile, type TableOptions, type TableRow } from "../data/table.js";
import { loaders } from "./parts.js";
import type { RunConfig } from "./run-config.js";

/** A table with the rows of one part. */
export interface PartFile {
  /** Where it is. */
  readonly file: string;
  /** Of all its rows. */
  readonly part: Part;
}

/** Tables of one folder, each a part. */
export interface PartTables {
  /** Several tables. */
  readonly set: "tables";
  /** Where they are. */
  readonly folder: string;
  /** The file of each part. */
  readonly files: readonly PartFile[];
  /** As of one table. */
  readonly options: Pick<TableOptions, "columns" | "imageFolder" | "form">;
}

/** A data set that can be looked at: what a run trains on, or tables of a folder. */
export type DataSet = RunConfig["data"] | PartTables;

/** What of a data set could be read. */
export interface ReadRows {
  readonly rows: readonly TableRow[];
  /** Others, as far as they could be read. */
  readonly faulty: readonly TableRow[];
  /** With their file, where there are several. */
  readonly problems: readonly Problem[];
  /** Whether lines and rows are of more than one file. */
  readonly isSeveral: boolean;
}

interface DataFile {
  readonly file: string;
  /** Of all its rows; null where a column says it. */
  readonly part: Part | null;
  readonly options: TableOptions & { readonly language?: string };
}

/** Every row that is sound, with its part, and what is wrong with the others. Rejects where a file as a whole cannot be read. */
export async function readDataSet(data: DataSet): Promise<ReadRows> {
  const files = await filesOf(data);
  if (files === null) return published(data as Published);
  const isSeveral = files.length > 1;
  const rows: TableRow[] = [];
  const faulty: TableRow[] = [];
  const problems: Problem[] = [];
  for (const { file, part, options } of files) {
    const { text } = await readTableFile(file);
    const { form, imageFolder = "" } = options;
    const found = form
      ? parsePublished(text, file, form, { ...options, imageFolder })
      : await parseTable(text, file, options);
    const inPart = (row: TableRow) => (part === null ? row : { ...row, part });
    for (const row of found.rows) rows.push(inPart(row));
    for (const row of found.faulty) faulty.push(inPart(row));
    problems.push(...(isSeveral ? found.problems.map((problem) => inFile(problem, file)) : found.problems));
  }
  return { rows, faulty, problems, isSeveral };
}

type Published = Exclude<RunConfig["data"], { set: "table" }>;

/** Sets that choose from a file: read as a run reads them. */
async function published({ set, folder }: Published): Promise<ReadRows> {
  const { train, test } = await loaders[set](folder, { requireImages: false });
  const of = (records: typeof train, part: Part) => records.map((record) => ({ ...record, part }));
  return { rows: [...of(train, "train"), ...of(test, "test")], faulty: [], problems: [], isSeveral: true };
}

/** Null for a set that is not all of its files. */
async function filesOf(data: DataSet): Promise<DataFile[] | null> {
  if (data.set === "tables") return data.files.map(({ file, part }) => ({ file, part, options: data.options }));
  if (data.set === "table") {
    const { file, columns, images: imageFolder, form, referenceBugs, test } = data;
    const all = {
      file,
      part: test ? ("train" as const) : null,
      options: { columns, imageFolder, form, referenceBugs },
    };
    if (!test) return [all];
    const options = { columns: test.form ? {} : columns, imageFolder: test.images ?? imageFolder, form: test.form };
    return [all, { file: test.file, part: "test", options }];
  }
  const { folder } = data;
  if (data.set === "vqa-rad") {
    const options = { form: "tuning", imageFolder: `${folder}/images` } as const;
    return (["train", "test"] as const).map((part) => ({ file: `${folder}/${part}set.json`, part, options }));
  }
  if (data.set !== "slake") return null;
  const options = { form: "slake", imageFolder: `${folder}/imgs`, language: "en" } as const;
  const file = (name: string) => `${folder}/${name}.json`;
  const validation = (await platform.exists(file("validate")))
    ? [{ file: file("validate"), part: "validation" as const, options }]
    : [];
  return [
    { file: file("train"), part: "train", options },
    ...validation,
    { file: file("test"), part: "test", options },
  ];
}

function inFile({ text, places, ...problem }: Problem, file: string): Problem {
  const name = file.replace(/^.*[\\/]/, "");
  return { ...problem, text: `${name}: ${text}`, places: places.map((place) => `${name}, ${place}`) };
}
