import { access } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../../../bindings/platform/file-error.js";
import { DeviceLostError } from "../../../engine/index.js";

export const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether there is a checkpoint to go on from. */
export const holdsRun = (folder: string) => exists(join(folder, "last.safetensors"));

/** `work`, whose error says how to go on where a file could not be written or the device went away. */
export const resumable = <T>(work: Promise<T>, again: string): Promise<T> =>
  work.catch((error) => {
    if (error instanceof DeviceLostError)
      throw new DeviceLostError(`${error.message} Go on with: ${again}`, { cause: error });
    if (!(error instanceof FileError)) throw error;
    throw new FileError(error.path, `${error.reason}. Go on with: ${again}`, { cause: error });
  });
