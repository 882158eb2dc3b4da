import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { io } from "../../engine/index.js";
import { RunConfig } from "../../models/index.js";

/** The settings of a run, beside its model: what `--config` takes. */
export const RUN_FILE = "run.json";

export const exists = (path: string) => access(path).then(() => true, () => false);

/** The settings that a model was trained with; null where the folder does not say. */
export async function readRun(folder: string): Promise<RunConfig | null> {
  const file = join(folder, RUN_FILE);
  if (!(await exists(file))) return null;
  return io.parseWith(RunConfig, io.parseJson(await readFile(file, "utf8"), file), file);
}
