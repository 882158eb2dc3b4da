/** A list of images and the class of each: a table with the columns `image` and `class`. */
import { io } from "../../engine/index.js";
import { imageProblems } from "./images-present.js";
import { Faults, refuseProblems } from "./problem.js";
import { imagePath } from "./record.js";
import { folderOf, isAbsolute, isUrl, readTableFile, textRows } from "./table.js";

/** An image, and what it shows. */
export interface LabelledImage {
  /** Its name in the list or folder: what tells it from the others. */
  readonly id: string;
  /** Path. */
  readonly image: string;
  /** Its class, as the list or the folder writes it. */
  readonly label: string;
  /** Where it is named, for messages. */
  readonly place: string;
}

const COLUMNS = ["image", "class"] as const;
const FORM = "A list has a row for each image, with the columns image and class";

/** Reads a .csv, .tsv, .jsonl or .ndjson. Throws one FileFormatError with all that is wrong, images that are missing included. */
export async function loadImageList(
  file: string,
  { imageFolder = folderOf(file) }: { readonly imageFolder?: string } = {},
): Promise<LabelledImage[]> {
  const { text } = await readTableFile(file);
  const { header, rows, problems } = await textRows(text, file, COLUMNS, FORM);
  const absent = COLUMNS.filter((column) => !header.includes(column));
  if (problems.length === 0 && absent.length > 0)
    throw new io.FileFormatError(
      file,
      `there is no column ${absent.map((column) => `"${column}"`).join(" or ")}: it has ${header.map((name) => `"${name}"`).join(", ")}`,
      FORM,
    );
  const faults = new Faults();
  const first = new Set<string>();
  const found = rows.flatMap(({ line, cells }): LabelledImage[] => {
    const place = `line ${line}`;
    const [id, label] = cells.map((cell) => cell?.trim() ?? "");
    if (id === "" || label === "")
      faults.add("empty value", "a row without its image or class", "Fill it, or take it out", place);
    else if (isUrl(id)) faults.add("bad value", '"image" is a URL', "Download the images and name the files", place);
    else if (first.has(id)) faults.add("duplicate row", "an image that is listed above", "Leave one of each", place);
    else {
      first.add(id);
      const image = isAbsolute(id) || imageFolder === "" ? id : imagePath(imageFolder, id);
      return [{ id, image, label, place }];
    }
    return [];
  });
  refuseProblems([...problems, ...faults.problems(rows.length)], file);
  if (found.length === 0) throw new io.FileFormatError(file, "it lists no image", FORM);
  refuseProblems(await imageProblems(found.map(({ image, place }) => ({ images: [image], place }))), file);
  return found;
}
