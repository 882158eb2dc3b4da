import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./terminal/exit.js";

/** The package's own folder: the nearest one above this file, in the sources or in dist/. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    if (folder === dirname(folder)) throw new Error("package.json not found above the command's own files");
    folder = dirname(folder);
  }
  return folder;
}

export const packageRoot = findRoot();
export const packageVersion: string = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version;

/** Real data of the repository; 6 MB that the npm package leaves out. */
export const vqaRadFolder = join(packageRoot, "data", "vqa-rad");

/** Refuses the data set of the repository where it is not. */
export function checkVqaRad(folder: string = vqaRadFolder): void {
  if (folder !== vqaRadFolder || existsSync(folder)) return;
  throw new UsageError(
    `the images of VQA-RAD are not in the npm package. Run this in a clone of the repository, or copy its data/vqa-rad to ${folder} (train and eval also take --data FOLDER).`,
  );
}

/** Comes with the package. */
export const bertVocabulary = join(packageRoot, "data", "tokenizers", "bert-base-uncased-vocab.txt");

/** What kernels outside the package include: `<consilium/kernel.h>`. */
export const kernelHeaders = join(packageRoot, "kernels", "include");
