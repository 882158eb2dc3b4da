import { io } from "../../engine/index.js";
import { type CheckOptions, checkRows, type DataSummary, type RowsByPart } from "../data/check.js";
import { type Problem, refuseProblems } from "../data/problem.js";
import type { TableRow } from "../data/table.js";
import { type DataSet, readDataSet } from "./data-files.js";

/** What a check of a data set found. */
export interface DataCheck {
  /** All that is wrong, in the order of the files, then of the checks. */
  readonly problems: readonly Problem[];
  /** What the rows that could be read are; null where none could. */
  readonly summary: DataSummary | null;
}

/** The sound rows of a data set by their part, without a look at their images. Throws where any is wrong. */
export async function loadDataSet(data: DataSet): Promise<RowsByPart> {
  const { rows, problems } = await readDataSet(data);
  refuseProblems(problems, data.set === "table" ? data.file : data.folder);
  return byPart(rows);
}

function byPart(rows: readonly TableRow[]): RowsByPart {
  const of = (part: string) => rows.filter((row) => (row.part ?? "unsplit") === part);
  const names = ["train", "validation", "test", "unsplit"].filter((part) => of(part).length > 0);
  return Object.fromEntries(names.map((part) => [part, of(part)]));
}

/** Reads a data set and lists every problem at once, instead of refusing it at the first. */
export async function checkData(data: DataSet, options?: CheckOptions): Promise<DataCheck> {
  try {
    const { rows, faulty, problems: found, isSeveral } = await readDataSet(data);
    const { problems, summary } = await checkRows(byPart(rows), { ...options, isSeveral, faulty: byPart(faulty) });
    return { problems: [...found, ...problems], summary: rows.length === 0 ? null : summary };
  } catch (error) {
    if (!(error instanceof io.FileFormatError)) throw error;
    const { file, what, advice } = error;
    return { problems: [{ kind: "file", text: `${file}: ${what}`, advice, places: [] }], summary: null };
  }
}
