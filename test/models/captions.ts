import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Real radiographs, for captions that are made up. */
export const radiographs = fileURLToPath(new URL("../../data/vqa-rad/images", import.meta.url));

const PLACES = ["chest", "brain", "abdomen"];

/** A table of images and a caption each; names that the loader knows. */
export function captionTable(folder: string, images: number): string {
  const names = readdirSync(radiographs).sort().slice(0, images);
  const rows = names.map((name, i) => `${name},"A radiograph of the ${PLACES[i % 3]}, number ${i}"`);
  const file = join(folder, "captions.csv");
  writeFileSync(file, `${["image,caption", ...rows].join("\n")}\n`);
  return file;
}
