/** The settings of a stage, beside what it makes: what `--config` takes. */
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { MedMoeRunConfig } from "./run-config.js";

const fileIn = (folder: string) => `${folder}/run.json`;

/** The settings that the run of a folder was started with; null where the folder does not say. */
export async function readMedMoeRun(folder: string): Promise<MedMoeRunConfig | null> {
  const file = fileIn(folder);
  if (!(await platform.exists(file))) return null;
  const text = await io.readText(file, "It holds the settings of the run");
  return io.parseWith(MedMoeRunConfig, io.parseJson(text, file), file);
}
