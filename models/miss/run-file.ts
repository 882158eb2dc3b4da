import { z } from "zod";
import { readRunFile } from "../training/run-file.js";
import { readPretrainRun } from "./pretrain/run-state.js";
import { earlierNames, RunConfig } from "./run-config.js";

/** The settings that the model of a folder was tuned with; null where it was not, or the folder does not say. */
export const readRun = async (folder: string): Promise<RunConfig | null> =>
  (await readPretrainRun(folder)) ? null : readRunFile(folder, z.preprocess(earlierNames, RunConfig));
