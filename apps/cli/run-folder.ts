import { access } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../../bindings/platform/file-error.js";
import { DeviceLostError, io } from "../../engine/index.js";
import { RUN_FILE, RunConfig } from "../../models/index.js";

export const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether there is a checkpoint to go on from. */
export const holdsRun = (folder: string) => exists(join(folder, "last.safetensors"));

/** The settings that a model was trained with; null where the folder does not say. */
export async function readRun(folder: string): Promise<RunConfig | null> {
  const file = join(folder, RUN_FILE);
  if (!(await exists(file))) return null;
  return io.parseWith(RunConfig, io.parseJson(await io.readText(file, "It holds the settings of the run"), file), file);
}

/** `work`, whose error says how to go on where a file could not be written or the device went away. */
export const resumable = <T>(work: Promise<T>, again: string): Promise<T> =>
  work.catch((error) => {
    if (error instanceof DeviceLostError)
      throw new DeviceLostError(`${error.message} Go on with: ${again}`, { cause: error });
    if (!(error instanceof FileError)) throw error;
    throw new FileError(error.path, `${error.reason}. Go on with: ${again}`, { cause: error });
  });
