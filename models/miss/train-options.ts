import type { Device } from "../../engine/index.js";
import type { LoadReport } from "./checkpoint.js";
import type { History, Validation } from "./train-state.js";

export type TrainEvent =
  /** The checkpoint that the run starts from was read. */
  | { readonly type: "loaded"; readonly file: string; readonly report: LoadReport }
  | { readonly type: "warning"; readonly text: string }
  | {
      readonly type: "ready";
      readonly trainable: number;
      readonly total: number;
      readonly steps: number;
      readonly rows: number;
      readonly resumedAt: number;
    }
  | {
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly lr: number;
    }
  | { readonly type: "validation"; readonly validation: Validation; readonly best: boolean }
  | { readonly type: "saved"; readonly step: number; readonly file: string };

export interface TrainOptions {
  readonly device: Device;
  /**
   * Folder of the run: run.json (its settings), config.json, vocab.txt, model.safetensors (the chosen weights),
   * last.safetensors (to go on).
   */
  readonly out: string;
  /** The bert-base-uncased vocabulary file. */
  readonly bertVocabulary: string;
  /** Goes on from last.safetensors where there is one. */
  readonly resume?: boolean;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints at most; others are written before and after each validation and at the end. */
  readonly checkpointSeconds?: number;
  onEvent?(event: TrainEvent): void;
}

export interface TrainResult {
  readonly interrupted: boolean;
  readonly history: History;
  readonly validations: readonly Validation[];
  readonly best: Validation | null;
  readonly parameters: { readonly trainable: number; readonly total: number };
  readonly steps: number;
  /** The step that this process went on from; 0 where it did all of them. */
  readonly resumedAt: number;
}
