import type { Device } from "../../../engine/index.js";
import type { RunEvent } from "../../training/run-event.js";
import type { MedMoeRunConfig } from "./run-config.js";
import type { MedMoeHistory, MedMoeValidation } from "./train-state.js";

/** What a stage reports while it goes on, by `type`. */
export type MedMoeTrainEvent =
  | RunEvent
  | {
      /** Of the router's stage: features of some conversations are there. */
      readonly type: "features";
      /** Conversations that have theirs. */
      readonly done: number;
      /** All of them. */
      readonly total: number;
    }
  | {
      /** Measured on held-back conversations. */
      readonly type: "validation";
      /** Its numbers. */
      readonly validation: MedMoeValidation;
    };

/** A model, or a part of one, that was asked for by a name. */
export interface FoundModel {
  /** Its folder or file. */
  readonly path: string;
  /** What settings keep: the same name finds the same files again. Of a hub it has the commit. */
  readonly name: string;
}

/** Where a stage computes, what it keeps, how it is stopped. */
export interface MedMoeTrainOptions {
  /** An open device; it stays open. */
  readonly device: Device;
  /** Folder of the run: run.json (its settings), last.safetensors (to go on), and in the end what the stage makes. */
  readonly out: string;
  /** Goes on from last.safetensors where there is one. */
  readonly resume?: boolean;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints at most; others are written at the end of each epoch. */
  readonly checkpointSeconds?: number;
  /** Finds what the settings name: `model`, `tower`, `projector`, `router`. Default: names are paths. */
  find?(name: string): Promise<FoundModel>;
  /** Threads that read data ahead of the device: 0 reads in place; one less than the cores, 4 at most, where absent. Same bits. */
  readonly dataThreads?: number;
  /** Called as things happen. */
  onEvent?(event: MedMoeTrainEvent): void;
}

/** The mixtures of a model, as `history.chosen` counts them. */
export interface MixtureSizes {
  /** The layer that each stands in. */
  readonly layers: readonly number[];
  /** Its experts. */
  readonly experts: readonly number[];
}

/** What came of a stage. */
export interface MedMoeTrainResult {
  /** Its settings, defaults filled in. */
  readonly config: MedMoeRunConfig;
  /** Whether `signal` stopped it. */
  readonly interrupted: boolean;
  /** Of all steps, those before a resume included. */
  readonly history: MedMoeHistory;
  /** Null of a dense model. */
  readonly mixtures: MixtureSizes | null;
  /** In order. */
  readonly validations: readonly MedMoeValidation[];
  /** Values that a step changes, and all of them. */
  readonly parameters: {
    /** Changed by a step. */
    readonly trainable: number;
    /** All. */
    readonly total: number;
  };
  /** Steps done; features of a router's run that was stopped. */
  readonly steps: number;
  /** The step that this process went on from; 0 where it did all of them. */
  readonly resumedAt: number;
  /** Of the router's stage: its classes in the order of experts, and how often it was right. */
  readonly router?: RouterResult;
}

/** A share of conversations whose modality the router named. */
export interface RouterAccuracy {
  /** Named rightly. */
  readonly correct: number;
  /** Asked about. */
  readonly total: number;
}

/** What the router's stage made. */
export interface RouterResult {
  /** Modalities; the place of each is its expert. */
  readonly classes: readonly string[];
  /** Of the conversations it was trained on. */
  readonly train: RouterAccuracy;
  /** Null where none were held back. */
  readonly validation: RouterAccuracy | null;
}
