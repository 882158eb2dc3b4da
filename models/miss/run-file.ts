/** The settings of a run, beside its model: what `--config` takes. */
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { RunConfig } from "./run-config.js";

/** Name of the file with the settings of a run, in its folder: what `--config` takes. */
export const RUN_FILE = "run.json";

/** The settings that the model of a folder was trained with; null where the folder does not say. */
export async function readRun(folder: string): Promise<RunConfig | null> {
  const file = `${folder}/${RUN_FILE}`;
  if (!(await platform.exists(file))) return null;
  return io.parseWith(RunConfig, io.parseJson(await io.readText(file, "It holds the settings of the run"), file), file);
}
