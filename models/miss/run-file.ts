import { z } from "zod";
import { readRunFile } from "../training/run-file.js";
import { earlierNames, RunConfig } from "./run-config.js";

/** The settings that the model of a folder was trained with; null where the folder does not say. */
export const readRun = (folder: string): Promise<RunConfig | null> =>
  readRunFile(folder, z.preprocess(earlierNames, RunConfig));
