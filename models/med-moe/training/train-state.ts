import { z } from "zod";
import { openStateOf, runState, type Saved } from "../../training/run-state.js";
import { MedMoeRunConfig } from "./run-config.js";

const validationSchema = z.object({
  /** Steps done. */
  step: z.int(),
  /** That of its last step, from 1. */
  epoch: z.int(),
  /** Mean loss of the held-back conversations. */
  loss: z.number(),
});
/** A measurement on held-back conversations. */
export type MedMoeValidation = z.infer<typeof validationSchema>;

const stateSchema = z.object({
  /** Of the file's layout. */
  version: z.literal(1),
  /** The settings that it was started with. */
  config: MedMoeRunConfig,
  ...runState.shape,
  /** SHA-256 of the conversations that it began with; absent in states of before it was kept. */
  data: z.string().optional(),
  /** In order. */
  validations: z.array(validationSchema),
});
/** Where a stage stands, besides its tensors. */
export type MedMoeState = z.infer<typeof stateSchema>;

/** What the steps so far gave. */
export interface MedMoeHistory {
  /** Mean loss of each step, load-balancing losses included. */
  loss: number[];
  /** Mean sum of the load-balancing losses; 0 of a dense model. */
  aux: number[];
  /** Learning rate of each step. */
  lr: number[];
  /** Tokens that each expert was chosen for, padding included: experts of each mixture, mixture after mixture, step after step. */
  chosen: number[];
}

/** The saved state of a stage. Its tensors are read once the network exists. */
export const openMedMoeState = (folder: string): Promise<Saved<MedMoeState>> => openStateOf(folder, stateSchema);
