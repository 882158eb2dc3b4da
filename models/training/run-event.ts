/** What every training reports while it goes on, by `type`. */
export type RunEvent =
  | {
      /** Something to know that stops nothing. */
      readonly type: "warning";
      /** For people. */
      readonly text: string;
    }
  | {
      /** The first step comes next. */
      readonly type: "ready";
      /** Values that a step changes. */
      readonly trainable: number;
      /** Values in all parameters. */
      readonly total: number;
      /** Steps of the whole run. */
      readonly steps: number;
      /** Questions, conversations or pairs that are trained on. */
      readonly rows: number;
      /** What they are, where not questions. */
      readonly unit?: string;
      /** The step that this process goes on from; 0 from the start. */
      readonly resumedAt: number;
    }
  | {
      /** A step is done. */
      readonly type: "step";
      /** From 1. */
      readonly step: number;
      /** Of the whole run. */
      readonly steps: number;
      /** From 1. */
      readonly epoch: number;
      /** Mean over the batches of the step. */
      readonly loss: number;
      /** Learning rate that it used. */
      readonly lr: number;
      /** Seconds for which the device had nothing to do since the step's data was not there. */
      readonly waited: number;
    }
  | {
      /** It ends before its last epoch: validations get no better. */
      readonly type: "enough";
      /** Steps done. */
      readonly step: number;
      /** Those of the best validation. */
      readonly best: number;
    }
  | {
      /** A checkpoint to go on from is written. */
      readonly type: "saved";
      /** Steps done. */
      readonly step: number;
      /** Where it is. */
      readonly file: string;
    };
