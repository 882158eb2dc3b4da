import { access } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { io } from "../../engine/index.js";
import { RunConfig } from "../../models/index.js";

/** The settings of a run, beside its model: what `--config` takes. */
export const RUN_FILE = "run.json";

export const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Makes the folder of a run and notes its settings, unless it is a run already: that one keeps what it was started with. */
export async function startRun(folder: string, config: RunConfig): Promise<void> {
  if (await holdsRun(folder)) return;
  await platform.writeFile(join(folder, RUN_FILE), [new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)]);
}

/** Whether there is a checkpoint to go on from. */
export const holdsRun = (folder: string) => exists(join(folder, "last.safetensors"));

/** The settings that a model was trained with; null where the folder does not say. */
export async function readRun(folder: string): Promise<RunConfig | null> {
  const file = join(folder, RUN_FILE);
  if (!(await exists(file))) return null;
  return io.parseWith(RunConfig, io.parseJson(await io.readText(file, "It holds the settings of the run"), file), file);
}

/** `work`, whose error says how to go on where it was a file that could not be written. */
export const resumable = <T>(work: Promise<T>, again: string): Promise<T> =>
  work.catch((error) => {
    if (!(error instanceof FileError)) throw error;
    throw new FileError(error.path, `${error.reason}. Go on with: ${again}`, { cause: error });
  });
