import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { OptionError } from "../../engine/index.js";
import { didYouMean } from "../../engine/io/nearest.js";
import { root } from "../machine/environment.js";

/** A file of the user's that takes the place of one of ours. */
export interface Variant {
  /** `<folder>/<file stem>` in kernels/: grouped-gemm/forward. */
  readonly kernel: string;
  /** Absolute. */
  readonly file: string;
  readonly device: "webgpu" | "cuda";
}

const DEVICES: Readonly<Record<string, Variant["device"]>> = { ".wgsl": "webgpu", ".cu": "cuda" };

/**
 * What `--kernel` says: `matmul/forward=mine.wgsl`, or the file alone where its folder and name are those of ours
 * (`experiments/matmul/forward.wgsl`). Throws OptionError where there is no such file, or of another kind, or
 * nothing of ours has that name.
 */
export function namedVariant(text: string): Variant {
  const [, named, path] = /^(?:([\w-]+\/[\w-]+)=)?(.+)$/.exec(text) ?? ["", undefined, text];
  const file = resolve(path);
  const device = DEVICES[extname(file)];
  if (!device)
    throw new OptionError(`--kernel ${path}: it is a .wgsl file (device webgpu) or a .cu file (device cuda).`);
  if (!existsSync(file)) throw new OptionError(`--kernel ${path}: there is no such file.`);
  const stem = basename(file, extname(file));
  const kernel = named ?? `${basename(dirname(file))}/${stem}`;
  const known = kernelsIn(extname(file));
  if (!known.includes(kernel)) throw new OptionError(unknown(kernel, known, device));
  return { kernel, file, device };
}

/** All of one language: as they are in a clone, and as the package has them. */
function kernelsIn(extension: string): string[] {
  const names = ["kernels", "dist/kernels"].flatMap((folder) => {
    const path = join(root, folder);
    return existsSync(path) ? readdirSync(path, { recursive: true, encoding: "utf8" }) : [];
  });
  const found = names.flatMap((name) => {
    const [, kernel] = /^([\w-]+\/[\w-]+)(\.\w+)(\.js)?$/.exec(name.replaceAll("\\", "/")) ?? [];
    return kernel && name.replace(/\.js$/, "").endsWith(extension) ? [kernel] : [];
  });
  return [...new Set(found)].sort();
}

function unknown(kernel: string, known: readonly string[], device: string): string {
  const [folder] = kernel.split("/");
  const beside = known.filter((name) => name.startsWith(`${folder}/`));
  const folders = [...new Set(known.map((name) => name.split("/")[0]))];
  const list = beside.length > 0 ? `There are ${beside.join(", ")}` : `Folders: ${folders.join(", ")}`;
  return `--kernel: there is no kernel "${kernel}" of ${device}. ${didYouMean(kernel, known)}${list}.`;
}
