import { z } from "zod";
import { openStateOf, runState, type Saved } from "../training/run-state.js";
import { earlierNames, RunConfig } from "./run-config.js";

const validationSchema = z.object({
  /** Steps done. */
  step: z.int(),
  /** That of its last step, from 1. */
  epoch: z.int(),
  /** Share of right answers. */
  accuracy: z.number(),
  /** Mean loss. */
  loss: z.number(),
});
/** A measurement on held-back images. */
export type Validation = z.infer<typeof validationSchema>;

export const stateSchema = z.object({
  /** Of the file's layout. */
  version: z.literal(3),
  /** The settings that it was started with. */
  config: z.preprocess(earlierNames, RunConfig),
  ...runState.shape,
  /** That of the chosen weights. */
  best: validationSchema.nullable(),
  /** In order. */
  validations: z.array(validationSchema),
});
/** Where a run stands, besides its tensors. */
export type State = z.infer<typeof stateSchema>;

/** Losses and learning rates of the steps so far. */
export interface History {
  /** Mean loss of each step. */
  loss: number[];
  /** Learning rate of each step. */
  lr: number[];
}

/** The saved state of a run. */
export type SavedState = Saved<State>;

/** The state of a run's folder. Tensors are read by `restoreState` once the network exists. */
export const openState = (folder: string): Promise<SavedState> => openStateOf(folder, stateSchema);
