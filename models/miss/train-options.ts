import type { Device } from "../../engine/index.js";
import type { Leak } from "../data/leak.js";
import type { ParameterCounts } from "../peft/trainable.js";
import type { RunEvent } from "../training/run-event.js";
import type { LoadReport } from "./load-parameters.js";
import type { RunConfig } from "./run-config.js";
import type { History, Validation } from "./train-state.js";

/** What a run reports while it goes on, by `type`. */
export type TrainEvent =
  | RunEvent
  | {
      /** The checkpoint that the run starts from was read. */
      readonly type: "loaded";
      /** Which. */
      readonly file: string;
      /** What loading did beside copying. */
      readonly report: LoadReport;
    }
  | {
      /** Measured on held-back images. */
      readonly type: "validation";
      /** What came out. */
      readonly validation: Validation;
      /** Whether it is the best so far: its weights are kept. */
      readonly best: boolean;
    };

/** Where a run computes, what it keeps, how it is stopped. */
export interface TrainOptions {
  /** An open device; it stays open. */
  readonly device: Device;
  /**
   * Folder of the run: run.json (its settings), config.json, vocab.txt, model.safetensors (the chosen weights),
   * last.safetensors (to go on), best.safetensors (what was tuned, at the best validation: adapters apart).
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
  /** Threads that read data ahead of the device: 0 reads in place; one less than the cores, 4 at most, where absent. Same bits. */
  readonly dataThreads?: number;
  /** Called as things happen. */
  onEvent?(event: TrainEvent): void;
}

/** What came of a run. */
export interface TrainResult {
  /** The settings as recorded in run.json: those given, and the hashes of a table. */
  readonly config: RunConfig;
  /** What validation and test share with training, and with that of the run's start; null where that is nothing. */
  readonly leak: Leak | null;
  /** Why it is not known what the run's start was trained on; null where all was compared. */
  readonly unchecked: string | null;
  /** What else to know before the numbers of this run, a sentence each. */
  readonly notices: readonly string[];
  /** Whether `signal` stopped it. */
  readonly interrupted: boolean;
  /** Of all steps, those before a resume included. */
  readonly history: History;
  /** In order. */
  readonly validations: readonly Validation[];
  /** That of the chosen weights; null without validation. */
  readonly best: Validation | null;
  /** Values that a step changes, and all of them. */
  readonly parameters: ParameterCounts;
  /** Steps of the whole run. */
  readonly steps: number;
  /** The step that this process went on from; 0 where it did all of them. */
  readonly resumedAt: number;
}
