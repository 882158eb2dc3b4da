/**
 * Images with captions: a table (CSV, TSV or JSON lines) with a row for each image, and one caption or several in each row,
 * of which an epoch draws one. Images are named by a column, or by the lines of a text file, row by row (MediCat).
 */
import { z } from "zod";
import { io } from "../../../engine/index.js";
import { sha256 } from "../../data/digest.js";
import { requireImages } from "../../data/images-present.js";
import { Faults, type Problem, refuseProblems } from "../../data/problem.js";
import { randomStream } from "../../data/random.js";
import { imagePath, type VqaRecord } from "../../data/record.js";
import { folderOf, isAbsolute, isUrl, readTableFile, textRows } from "../../data/table.js";

const name = z.string().min(1);

/** A table of images and captions. */
export const CaptionData = z.strictObject({
  /** The table: .csv, .tsv, .jsonl. */
  file: name,
  /** The names of the columns. */
  columns: z
    .strictObject({
      /** Name of the image, in the folder of the images. */
      image: name.default("image"),
      /** One column, or several of which one is drawn at each access; without it `caption`, `Caption`, or describe1 to describe5. */
      captions: z.array(name).min(1).optional(),
    })
    .prefault({}),
  /** A text file with the name of an image in each line, in the order of the rows: in the place of the column. */
  names: name.optional(),
  /** Folder of the images; that of the table where absent. */
  images: z.string().optional(),
  /** The hash of table and names when the run began: a run goes on with the same ones only. */
  sha256: z.string().optional(),
});
export type CaptionData = z.infer<typeof CaptionData>;

/** An image and what may be said of it. */
export interface CaptionRow {
  /** Path of the image file. */
  readonly image: string;
  /** As in the file. */
  readonly captions: readonly string[];
  /** Position in the table, from 0. */
  readonly row: number;
  /** Line of the table that the row begins on, from 1. */
  readonly line: number;
}

/** Caption columns that need no naming, the first that the table has: plain, MediCat's, TransCap's. */
const USUAL = [["caption"], ["Caption"], ["describe1", "describe2", "describe3", "describe4", "describe5"]] as const;

/** Bytes of a table at most. */
const LARGEST = 500e6;

const FORM = "A table of captions has a row for each image, with columns for its name and its caption";

/** Reads the table. Throws one FileFormatError that lists every problem with its lines, images that are missing included. */
export async function loadCaptions(data: CaptionData): Promise<{ rows: CaptionRow[]; sha256: string }> {
  const { text, sha256: ofTable } = await readTableFile(data.file, { form: FORM, largest: LARGEST });
  const names = data.names === undefined ? null : await readNames(data.names);
  const { rows, problems } = await parseCaptions(text, data, names);
  refuseProblems(problems, data.file);
  await requireImages(rows.map(asRecord), data.file);
  const both = names ? `${ofTable} ${await sha256(new TextEncoder().encode(names.join("\n")))}` : null;
  return { rows, sha256: both === null ? ofTable : await sha256(new TextEncoder().encode(both)) };
}

/** Reads captions from text, without looking for images. `names` are those of the images by row, null where a column has them. */
export async function parseCaptions(
  text: string,
  { file, columns, images, names: namesFile }: CaptionData,
  names: readonly string[] | null,
): Promise<{ rows: CaptionRow[]; problems: Problem[] }> {
  const wanted = columns.captions ?? [...new Set(USUAL.flat())];
  const found = await textRows(text, file, [columns.image, ...wanted], FORM);
  const captions = columns.captions ?? USUAL.find((usual) => usual.some((c) => found.header.includes(c))) ?? [];
  const missing = missingColumns(found.header, columns, captions, names !== null);
  if (missing.length > 0) return { rows: [], problems: [...found.problems, ...missing] };
  if (names && names.length !== found.rows.length) {
    const text = `it has ${found.rows.length} rows, and ${namesFile} names ${names.length} images`;
    const advice = "Give a line for each row, in the order of the rows";
    return { rows: [], problems: [...found.problems, { kind: "file", text, advice, places: [] }] };
  }
  const folder = images ?? folderOf(file);
  const faults = new Faults();
  const rows = found.rows.flatMap(({ line, cells: [cell, ...rest] }, row): CaptionRow[] => {
    const image = (names ? names[row] : cell)?.trim() ?? "";
    const texts = captions.flatMap((column) => rest[wanted.indexOf(column)]?.trim() || []);
    const place = `line ${line}`;
    const fault = (kind: Problem["kind"], what: string, advice: string) => faults.add(kind, what, advice, place);
    if (image === "") fault("empty value", `"${columns.image}" is empty`, "Fill it, or take these rows out");
    else if (isUrl(image)) fault("bad value", "the image is a URL", "Download the images and name the files");
    if (texts.length === 0) fault("empty value", `${quoted(captions)} has no text`, "Fill it, or take these rows out");
    if (image === "" || isUrl(image) || texts.length === 0) return [];
    const path = isAbsolute(image) || folder === "" ? image : imagePath(folder, image);
    return [{ image: path, captions: texts, row, line }];
  });
  if (found.rows.length + found.problems.length === 0)
    throw new io.FileFormatError(file, "it has no rows below its header", FORM);
  return { rows, problems: [...found.problems, ...faults.problems(found.rows.length)] };
}

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");

function missingColumns(
  header: readonly string[],
  { image, captions: named }: CaptionData["columns"],
  captions: readonly string[],
  hasNames: boolean,
): Problem[] {
  const has = `it has ${quoted(header)}`;
  const problem = (text: string, advice: string): Problem => ({ kind: "file", text, advice, places: [] });
  const lacking = named?.filter((column) => !header.includes(column)) ?? [];
  return [
    ...(hasNames || header.includes(image)
      ? []
      : [
          problem(
            `there is no column "${image}" for the image: ${has}`,
            `${io.didYouMean(image, header)}Name it with --image-column, or give the names of the images, one a line, with --image-names`,
          ),
        ]),
    ...lacking.map((column) =>
      problem(
        `there is no column "${column}" for captions: ${has}`,
        `${io.didYouMean(column, header)}Name those that are there with --caption-columns`,
      ),
    ),
    ...(captions.length === 0
      ? [
          problem(
            `there is no column of captions: ${has}`,
            "Name it with --caption-columns NAME, or several with commas between them",
          ),
        ]
      : []),
  ];
}

/** The lines of a text file that are not blank. */
async function readNames(file: string): Promise<string[]> {
  const text = await io.readText(file, "It names an image in each line: check the path");
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}

/** As the data code knows rows: for looking at its image, alone or beside those of questions. */
export const asRecord = ({ image, row, line }: CaptionRow): VqaRecord => ({
  ...{ image, row, line, question: "", answer: "", qid: String(row) },
});

/** The caption of each row in an epoch, by chance among its own: the same for the same seed, wherever the run began. */
export function captionsOf(rows: readonly CaptionRow[], seed: number, epoch: number): string[] {
  const random = randomStream(seed, "captions", epoch);
  return rows.map(({ captions }) => captions[random.below(captions.length)]);
}
