/**
 * Questions of your own: a table with a row for each, as CSV, TSV or JSON lines, and images beside it. Which column is
 * what, `TableColumns` says.
 */
import { z } from "zod";
import { io } from "../../engine/index.js";
import { normaliseAnswer } from "./answers.js";
import { csvRows, type TextRow, type TextRows } from "./csv.js";
import { sha256 } from "./digest.js";
import { requireImages } from "./images-present.js";
import { jsonRows } from "./json-rows.js";
import { Faults, type Problem, refuseProblems } from "./problem.js";
import { type PublishedForm, parsePublished } from "./published.js";
import { type AnswerType, imagePath, type Part, type VqaRecord } from "./record.js";

const name = z.string().min(1);

/** The names of the columns. A role that is not named takes the column of its own name, if there is one. */
export const TableColumns = z.strictObject({
  /** Path of the image, relative to the file or to the folder of the images. */
  image: name.optional(),
  /** The question. */
  question: name.optional(),
  /** The answer. */
  answer: name.optional(),
  /** Patient or study: a split never has one group in two parts. */
  group: name.optional(),
  /** open or closed; without it an answer is closed where it is yes or no. */
  answer_type: name.optional(),
  /** train, val or test; without it the rows are split by group. */
  split: name.optional(),
  /** Number or name of the question; its place in the file where there is no column. */
  id: name.optional(),
  /** Results are also given by these: the part of the body, the kind of question. */
  category: name.optional(),
});
/** The names of the columns, by their role. */
export type TableColumns = z.infer<typeof TableColumns>;
/** What a column is. */
export type TableRole = keyof TableColumns;

/** All that a column can be. */
export const tableRoles = Object.keys(TableColumns.shape) as TableRole[];
const REQUIRED: readonly TableRole[] = ["image", "question", "answer"];

export interface TableRow extends VqaRecord {
  /** What the column `split` says. */
  readonly part?: Part;
}

/** How a table is read. */
export interface TableOptions {
  /** Names of columns that are called otherwise than their role. */
  readonly columns?: TableColumns;
  /** Where the images are; default: the folder of the file. */
  readonly imageFolder?: string;
  /** JSON in a form that MISS or MILE reads, in the place of columns. */
  readonly form?: PublishedForm;
  /** Does what the published reader of the form does by mistake. */
  readonly referenceBugs?: boolean;
}

/** A table that was read. */
export interface Table {
  /** In the order of the file. */
  readonly rows: TableRow[];
  /** Of the file's bytes, hexadecimal: whether it is still the same. */
  readonly sha256: string;
}

/** What could be read of a table, and what not. */
export interface ParsedTable {
  /** The sound ones, in the order of the file. */
  readonly rows: TableRow[];
  /**
   * Those of the others that name an image, as far as they can be read: what cannot is empty, or left out. For checks of images and of what
   * parts share; no row to learn or to measure by.
   */
  readonly faulty: TableRow[];
  /** What is wrong with the others. */
  readonly problems: Problem[];
}

const DELIMITERS: Readonly<Record<string, string | null>> = { csv: ",", tsv: "\t", jsonl: null, ndjson: null };
const extensionOf = (file: string) => /\.([a-z]+)$/i.exec(file)?.[1].toLowerCase() ?? "";

/** Whether a path names a file of rows, by its extension: .csv, .tsv, .jsonl, .ndjson; .json and .jsol in a published form. */
export const isTableFile = (file: string) => isPlainTable(file) || ["json", "jsol"].includes(extensionOf(file));

const isPlainTable = (file: string) => Object.hasOwn(DELIMITERS, extensionOf(file));

/** Bytes of a file at most: its rows are held in memory, several times while they are read. */
export const LARGEST_TABLE = 64e6;

/**
 * Reads a table from a file. Throws one FileFormatError that lists every problem with its lines: columns that are not
 * there, ragged rows, empty cells, values that mean nothing, ids given twice, images that are missing.
 */
export async function loadTable(file: string, options: TableOptions = {}): Promise<Table> {
  const { text, sha256 } = await readTableFile(file);
  const { rows, problems } = await parseTable(text, file, options);
  refuseProblems(problems, file);
  await requireImages(rows, file);
  return { rows, sha256 };
}

/**
 * Reads a table from text, without looking for its images: for pages, and for checks. `fileName` names it in errors and
 * decides by its extension how it is read. What is wrong with single rows comes back as `problems`, without these rows;
 * throws FileFormatError where the text as a whole cannot be read.
 */
export async function parseTable(
  text: string,
  fileName: string,
  { columns = {}, imageFolder, form, referenceBugs }: TableOptions = {},
): Promise<ParsedTable> {
  if (form)
    return parsePublished(text, fileName, form, { imageFolder: imageFolder ?? folderOf(fileName), referenceBugs });
  const names = tableRoles.map((role) => columns[role] ?? role);
  const found = await textRows(text, fileName, names, EMPTY);
  const delimiter = DELIMITERS[extensionOf(fileName)];
  const missing = columnProblems(found, columns, delimiter);
  if (missing.length > 0) return { rows: [], faulty: [], problems: [...found.problems, ...missing] };
  const faults = new Faults();
  const folder = imageFolder ?? folderOf(fileName);
  const asRow = rowOf(folder, isUrl(fileName), filledRoles(found.rows), columns, faults);
  const all = found.rows.map(asRow);
  if (found.rows.length + found.problems.length === 0)
    throw new io.FileFormatError(fileName, "it has no rows below its header", EMPTY);
  return {
    rows: all.flatMap(({ row, sound }) => (row && sound ? [row] : [])),
    faulty: all.flatMap(({ row, sound }) => (row && !sound ? [row] : [])),
    problems: [...found.problems, ...faults.problems(found.rows.length)],
  };
}

const EMPTY = "A table has a row for each question, with at least the columns image, question and answer";

/** The columns `names` of a table's rows, read as its name says. `form` is how such a table looks, for errors. */
export async function textRows(
  text: string,
  fileName: string,
  names: readonly string[],
  form: string,
): Promise<TextRows> {
  if (!isPlainTable(fileName))
    throw new io.FileFormatError(
      fileName,
      "it is no table by its name",
      isTableFile(fileName)
        ? "Say which form the JSON has (--form), or take a .csv, .tsv, .jsonl or .ndjson"
        : "A table is a .csv, .tsv, .jsonl or .ndjson",
    );
  const delimiter = DELIMITERS[extensionOf(fileName)];
  if (text.trim() === "") throw new io.FileFormatError(fileName, "it is empty", form);
  return delimiter === null ? jsonRows(text, fileName, names) : csvRows(text, fileName, names, delimiter);
}

/** The text of a table, `largest` bytes at most, and its hash. `form` is how such a table looks, for errors. */
export async function readTableFile(
  file: string,
  { form = EMPTY, largest = LARGEST_TABLE }: { form?: string; largest?: number } = {},
): Promise<{ text: string; sha256: string }> {
  const bytes = await io.readBytes(file, form, largest);
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), sha256: await sha256(bytes) };
  } catch (cause) {
    throw new io.FileFormatError(file, "it is not UTF-8 text", "Save it as CSV UTF-8", { cause });
  }
}

/** Columns that were named or are needed and are not there, or are there twice. */
function columnProblems({ header, rows }: TextRows, columns: TableColumns, delimiter: string | null): Problem[] {
  // JSON lines that could not be read have no columns to complain about.
  if (delimiter === null && rows.length === 0) return [];
  const other = delimiter !== null && header.length === 1 ? [";", "\t", "|"].find((d) => header[0].includes(d)) : null;
  if (other)
    return [
      fileProblem(
        `its header is one column, ${JSON.stringify(header[0])}`,
        `Separate columns by ${delimiter === "\t" ? "tabs" : "commas"}, not by ${JSON.stringify(other)}`,
      ),
    ];
  const has = `it has ${header.map((column) => JSON.stringify(column)).join(", ")}`;
  return tableRoles.flatMap((role) => {
    const column = columns[role] ?? role;
    const times = header.filter((name) => name === column).length;
    const needed = columns[role] !== undefined || REQUIRED.includes(role);
    if (times > 1) return [fileProblem(`two columns are named "${column}"`, "Rename one of them")];
    if (times === 1 || !needed) return [];
    return [
      fileProblem(
        `there is no column "${column}" for ${role === "image" ? "the image" : `the ${role}`}: ${has}`,
        `${io.didYouMean(column, header)}Name it with --columns ${role}=NAME`,
      ),
    ];
  });
}

const fileProblem = (text: string, advice: string): Problem => ({ kind: "file", text, advice, places: [] });

/**
 * The roles whose column has to be filled in every row. Ids are given to all rows or to none: the number that stands for
 * one that is missing could be the id of another row.
 */
function filledRoles(rows: readonly TextRow[]): TableRole[] {
  const id = tableRoles.indexOf("id");
  return [...REQUIRED, "group", "split", ...(rows.some(({ cells }) => cells[id]?.trim()) ? (["id"] as const) : [])];
}

/** Makes records of rows, and says whether they are without a fault; null where no image can be looked for. */
function rowOf(folder: string, urls: boolean, filled: readonly TableRole[], columns: TableColumns, faults: Faults) {
  const idLines = new Map<string, number>();
  return ({ line, cells }: TextRow, row: number): { row: TableRow | null; sound: boolean } => {
    const values = Object.fromEntries(tableRoles.map((role, i) => [role, cells[i]])) as Record<
      TableRole,
      string | undefined
    >;
    const label = (role: TableRole) => `"${columns[role] ?? role}"`;
    let sound = true;
    const fault = (kind: Problem["kind"], what: string, advice: string) => {
      faults.add(kind, what, advice, `line ${line}`);
      sound = false;
    };
    const all = "Fill it for every row, or leave the column out";
    const advice = { group: all, id: all, split: "Write train, val or test" };
    for (const role of filled)
      if (values[role]?.trim() === "")
        fault("empty value", `${label(role)} is empty`, advice[role as never] ?? "Fill it, or take these rows out");

    const image = values.image?.trim() ?? "";
    if (isUrl(image) && !urls)
      fault("bad value", `${label("image")} is a URL`, "Download the images and name the files");
    const part = values.split?.trim() ? partOf(values.split) : undefined;
    if (part === null)
      fault("split value", `${label("split")} is ${JSON.stringify(values.split)}`, "Write train, val or test");
    const answerType = answerTypeOf(values.answer_type, values.answer ?? "");
    if (answerType === null)
      fault(
        "answer type",
        `${label("answer_type")} is ${JSON.stringify(values.answer_type)}`,
        "Write open or closed, or leave it empty",
      );
    const id = values.id?.trim();
    if (id !== undefined && id !== "") {
      const first = idLines.get(id);
      if (first !== undefined)
        fault("duplicate id", `${label("id")} is that of an earlier row`, "Give each row its own");
      else idLines.set(id, line);
    }
    if (image === "" || (isUrl(image) && !urls)) return { row: null, sound: false };
    const record = {
      image: isAbsolute(image) ? image : folder === "" ? image : imagePath(folder, image),
      question: values.question as string,
      answer: values.answer as string,
      answerType: answerType ?? undefined,
      category: values.category?.trim() || undefined,
      group: values.group?.trim(),
      qid: id || String(row),
      row,
      line,
      ...(part && { part }),
    };
    return { row: record, sound };
  };
}

const PARTS: Readonly<Record<string, Part>> = {
  ...{ train: "train", training: "train" },
  ...{ val: "validation", valid: "validation", validate: "validation", validation: "validation", dev: "validation" },
  ...{ test: "test", testing: "test" },
};

const partOf = (text: string): Part | null => {
  const key = text.trim().toLowerCase();
  return Object.hasOwn(PARTS, key) ? PARTS[key] : null;
};

/** As the column says; without one, yes and no are closed. Null for a word that is neither. */
function answerTypeOf(given: string | undefined, answer: string): AnswerType | null {
  const word = given?.trim().toUpperCase();
  if (word === "CLOSED" || word === "OPEN") return word;
  if (word) return null;
  return ["yes", "no"].includes(normaliseAnswer(answer)) ? "CLOSED" : "OPEN";
}

export const isUrl = (path: string) => /^(?:[a-z][a-z0-9+.-]+:\/\/|data:)/i.test(path);
export const isAbsolute = (path: string) => isUrl(path) || /^(?:\/|[a-z]:[\\/]|\\\\)/i.test(path);

/** The folder of a path, "" where it has none; that of `/rows.csv` is the root. */
export function folderOf(path: string): string {
  const end = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return end === 0 ? path[0] : path.slice(0, Math.max(end, 0));
}
