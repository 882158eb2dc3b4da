/** The settings of a run, beside what it makes. */
import type { z } from "zod";
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { writeJson } from "../files/write.js";

/** Name of the file with the settings of a run, in its folder: what `--config` takes. */
export const RUN_FILE = "run.json";

const fileIn = (folder: string) => `${folder}/${RUN_FILE}`;

/** Whether the folder says so: also where the run stopped before its first checkpoint. */
export const hasRunFile = (folder: string): Promise<boolean> => platform.exists(fileIn(folder));

/** The settings that the run of a folder was started with; null where the folder does not say. */
export async function readRunFile<T>(folder: string, schema: z.ZodType<T>): Promise<T | null> {
  if (!(await hasRunFile(folder))) return null;
  const file = fileIn(folder);
  const text = await io.readText(file, "It holds the settings of the run");
  return io.parseWith(schema, io.parseJson(text, file), file);
}

/** Keeps the settings of a run that starts. */
export const writeRunFile = (folder: string, config: object): Promise<void> => writeJson(fileIn(folder), config);
