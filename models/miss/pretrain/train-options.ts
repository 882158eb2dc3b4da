import type { Device } from "../../../engine/index.js";
import type { ParameterCounts } from "../../peft/trainable.js";
import type { RunEvent } from "../../training/run-event.js";
import type { LoadReport } from "../load-parameters.js";
import type { PretrainConfig } from "./run-config.js";
import type { PretrainHistory } from "./run-state.js";

/** What a pre-training run reports while it goes on, by `type`. */
export type PretrainEvent =
  | RunEvent
  | {
      /** The checkpoint that the run starts from was read. */
      readonly type: "loaded";
      /** Which. */
      readonly file: string;
      /** What loading did beside copying. */
      readonly report: LoadReport;
    };

/** Where a run computes, what it keeps, how it is stopped. */
export interface PretrainOptions {
  /** An open device; it stays open. */
  readonly device: Device;
  /**
   * Folder of the run: run.json (its settings), config.json, vocab.txt, model.safetensors (after each epoch: the weights with
   * momentum copies and queues), last.safetensors (to go on), log.jsonl and events.out.tfevents.consilium (its steps).
   */
  readonly out: string;
  /** The bert-base-uncased vocabulary file. */
  readonly bertVocabulary: string;
  /** Goes on from last.safetensors where there is one. */
  readonly resume?: boolean;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints at most. */
  readonly checkpointSeconds?: number;
  /** Threads that read data ahead of the device: 0 reads in place; one less than the cores, 4 at most, where absent. Same bits. */
  readonly dataThreads?: number;
  /** Called as things happen. */
  onEvent?(event: PretrainEvent): void;
}

/** What came of a run. */
export interface PretrainResult {
  /** The settings as recorded in run.json: those given, and the hash of the captions. */
  readonly config: PretrainConfig;
  /** Whether `signal` stopped it. */
  readonly interrupted: boolean;
  /** Of all steps, those before a resume included. */
  readonly history: PretrainHistory;
  /** None: nothing is held back. */
  readonly validations: readonly never[];
  /** Values that a step changes, and all of them. */
  readonly parameters: ParameterCounts;
  /** Steps of the whole run. */
  readonly steps: number;
  /** The step that this process went on from; 0 where it did all of them. */
  readonly resumedAt: number;
}
