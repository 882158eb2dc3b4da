import { existsSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { OptionError } from "../../engine/index.js";

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
 * (`experiments/matmul/forward.wgsl`). Throws OptionError where there is no such file, or of another kind.
 */
export function namedVariant(text: string): Variant {
  const [, named, path] = /^(?:([\w-]+\/[\w-]+)=)?(.+)$/.exec(text) ?? ["", undefined, text];
  const file = resolve(path);
  const device = DEVICES[extname(file)];
  if (!device)
    throw new OptionError(`--kernel ${path}: it is a .wgsl file (device webgpu) or a .cu file (device cuda).`);
  if (!existsSync(file)) throw new OptionError(`--kernel ${path}: there is no such file.`);
  const stem = basename(file, extname(file));
  return { kernel: named ?? `${basename(dirname(file))}/${stem}`, file, device };
}
