import { z } from "zod";
import { readRunFile } from "../../training/run-file.js";
import { openStateOf, runState, type Saved } from "../../training/run-state.js";
import { PretrainConfig } from "./run-config.js";

const stateSchema = z.object({
  /** Of the file's layout. */
  version: z.literal(1),
  /** The settings that it was started with. */
  config: PretrainConfig,
  ...runState.shape,
  /** The column of the queues that is overwritten next. */
  queuePointer: z.int().min(0),
});
/** Where a run stands, besides its tensors. */
export type PretrainState = z.infer<typeof stateSchema>;

/** What the steps so far gave, a number each. */
export interface PretrainHistory {
  /** Sum of the three losses. */
  loss: number[];
  /** Of comparing images and texts. */
  contrast: number[];
  /** Of telling true pairs from wrong ones. */
  matching: number[];
  /** Of writing captions. */
  captioning: number[];
  /** Learning rate. */
  lr: number[];
}

/** The saved state of a run. Its tensors are read once the network exists. */
export const openPretrainState = (folder: string): Promise<Saved<PretrainState>> => openStateOf(folder, stateSchema);

const anyRun = z.looseObject({ task: z.string().optional() });

/** The settings that the model of a folder was pre-trained with; null where it was not, or the folder does not say. */
export async function readPretrainRun(folder: string): Promise<PretrainConfig | null> {
  const run = await readRunFile(folder, anyRun);
  return run?.task === "pretrain" ? readRunFile(folder, PretrainConfig) : null;
}
