import { readRunFile } from "../../training/run-file.js";
import { MedMoeRunConfig } from "./run-config.js";

/** The settings that the run of a folder was started with; null where the folder does not say. */
export const readMedMoeRun = (folder: string): Promise<MedMoeRunConfig | null> => readRunFile(folder, MedMoeRunConfig);
