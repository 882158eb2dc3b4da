import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type AnyPass, pass } from "../../kernels/contract.js";
import { root } from "../machine/environment.js";

/** A .cu file as a library, compiled by nvcc; the folder that holds it is gone after `remove`. */
export interface CompiledVariant {
  readonly library: string;
  remove(): Promise<void>;
}

/** Throws, with the compiler's words, where it does not compile or there is no nvcc. */
export async function compiled(kernel: string, file: string): Promise<CompiledVariant> {
  const script = pathToFileURL(join(root, "scripts", "cuda-kernels.mjs")).href;
  const { compileInPlaceOf } = await import(script);
  const folder = await mkdtemp(join(tmpdir(), "consilium-variant-"));
  const library = join(folder, "variant.fatbin");
  const remove = () => rm(folder, { recursive: true });
  try {
    await compileInPlaceOf(kernel, file, library);
  } catch (error) {
    await remove();
    const { message, output = "" } = error as Error & { output?: string };
    throw new Error(`${file}: ${message}\n${output}`.trim(), { cause: error });
  }
  return { library, remove };
}

/** The pass with the kernels of a library in place of its own. */
export function withLibrary(original: AnyPass, library: string): AnyPass | null {
  return original.cuda ? pass({ ...original, cuda: { ...original.cuda, library } }) : null;
}
