import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { onFile } from "../../../bindings/platform/node-file-error.js";
import { io } from "../../../engine/index.js";
import type { LabelledImage } from "../../../models/index.js";
import { count } from "../terminal/format.js";

const IMAGE = /\.(png|jpe?g|webp|gif|tiff?|avif|bmp)$/i;

const FORM = "Put the images of each class into a folder that has its name, or list them in a table (--image-list)";

/**
 * Images in folders that are named after their classes, in the order of their names; folders in these are looked into, too. Hidden
 * files are passed over, and so are others that are no images by their names, of which `onOther` hears. Rejects where there is no
 * image, or none in the folder of a class.
 */
export async function readClassFolder(
  folder: string,
  onOther: (note: string) => void = () => {},
): Promise<LabelledImage[]> {
  const entries = await onFile(folder, readdir(folder, { withFileTypes: true }));
  const classes = entries.filter((entry) => !entry.isFile() && !isHidden(entry.name)).map(({ name }) => name);
  const images: LabelledImage[] = [];
  const others: string[] = [];
  const empty: string[] = [];
  for (const label of classes.sort()) {
    const names = (await onFile(folder, readdir(join(folder, label), { recursive: true, withFileTypes: true })))
      .filter((entry) => !entry.isDirectory() && !isHidden(entry.name))
      .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).replaceAll(sep, "/"))
      .sort();
    const own = names.filter((name) => IMAGE.test(name));
    others.push(...names.filter((name) => !IMAGE.test(name)));
    if (own.length === 0) empty.push(label);
    images.push(...own.map((id) => ({ id, image: join(folder, id), label, place: id })));
  }
  if (classes.length === 0) throw new io.FileFormatError(folder, "it holds no folders of classes", FORM);
  if (empty.length > 0)
    throw new io.FileFormatError(
      folder,
      `there is no image in ${empty.length === classes.length ? "its folders" : "the folders of classes"} ${empty.join(", ")}`,
      "Fill them, or take them away",
    );
  if (others.length > 0)
    onOther(`${folder}: ${count(others.length)} files are no images by their names and are left out: ${others[0]}`);
  return images;
}

const isHidden = (name: string) => name.startsWith(".");
