import { io } from "../../engine/index.js";
import { type CheckOptions, checkRows, type DataSummary, type RowsByPart } from "../data/check.js";
import { type Problem, refuseProblems } from "../data/problem.js";
import { parseTable, readTableFile, type TableRow } from "../data/table.js";
import { loaders } from "./parts.js";
import type { RunConfig } from "./run-config.js";

/** What a check of a data set found. */
export interface DataCheck {
  /** All that is wrong, in the order of the file, then of the checks. */
  readonly problems: readonly Problem[];
  /** What the rows that could be read are; null where none could. */
  readonly summary: DataSummary | null;
}

/** The sound rows of a data set by their part, without a look at their images. Throws where any is wrong. */
export async function loadDataSet(data: RunConfig["data"]): Promise<RowsByPart> {
  if (data.set !== "table") return { ...(await loaders[data.set](data.folder, { requireImages: false })) };
  const { file, columns, images: imageFolder, form, referenceBugs } = data;
  const options = { columns, imageFolder, form, referenceBugs };
  const { rows, problems } = await parseTable((await readTableFile(file)).text, file, options);
  refuseProblems(problems, file);
  return byPart(rows);
}

function byPart(rows: readonly TableRow[]): RowsByPart {
  const of = (part: string) => rows.filter((row) => (row.part ?? "unsplit") === part);
  const names = ["train", "validation", "test", "unsplit"].filter((part) => of(part).length > 0);
  return Object.fromEntries(names.map((part) => [part, of(part)]));
}

/** Reads the data set of a run and lists every problem at once, instead of refusing it at the first. */
export async function checkData(data: RunConfig["data"], options?: CheckOptions): Promise<DataCheck> {
  let parts: RowsByPart;
  const found: Problem[] = [];
  try {
    if (data.set === "table") {
      const { file, columns, images: imageFolder, form, referenceBugs } = data;
      const options = { columns, imageFolder, form, referenceBugs };
      const { rows, problems } = await parseTable((await readTableFile(file)).text, file, options);
      found.push(...problems);
      parts = byPart(rows);
    } else parts = { ...(await loaders[data.set](data.folder, { requireImages: false })) };
  } catch (error) {
    if (!(error instanceof io.FileFormatError)) throw error;
    const text = `${error.file}: ${error.what}`;
    return { problems: [...found, { kind: "file", text, advice: error.advice, places: [] }], summary: null };
  }
  if (Object.values(parts).every((rows) => rows?.length === 0)) return { problems: found, summary: null };
  const { problems, summary } = await checkRows(parts, options);
  return { problems: [...found, ...problems], summary };
}
