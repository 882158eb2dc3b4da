import type { Command } from "commander";
import { openPretrainState, type PretrainConfig, pretrainMiss, readPretrainRun } from "../../../models/index.js";
import { commandLine } from "../options/command-line.js";
import { addCommonOptions } from "../options/common-options.js";
import { addPretrainFlags, pretrainConfig, pretrainText } from "../options/pretrain-flags.js";
import { bertVocabulary } from "../package-files.js";
import { count } from "../terminal/format.js";
import { say } from "../terminal/output.js";
import {
  addDataThreads,
  addTrainingOptions,
  runTraining,
  type Training,
  type TrainingOptions,
} from "../train/training-run.js";

const training: Training<PretrainConfig> = {
  verb: "pretrain",
  name: "miss",
  keeps: "where the run is kept: run.json, config.json, vocab.txt, model.safetensors, last.safetensors",
  checkpointSeconds: 300,
  openState: openPretrainState,
  readRun: readPretrainRun,
  configOf: pretrainConfig,
  textOf: pretrainText,
};

const EXAMPLES = `
Images and their captions teach three things at once: to compare the two (contrast, with queues of earlier features), to tell
true pairs from wrong ones (matching), to write the caption (captioning). \`train miss --init RUN\` goes on from what comes out.

Examples:
  consilium pretrain miss --data captions.csv --image-folder images --out runs/pre --batch 16 --queue 1600 --scaling ordinary
  consilium pretrain miss --data medicat.csv --image-names names.txt --image-folder figures --preset base --out runs/medicat
  consilium pretrain miss --data rsna.csv --image-column name --image-folder rsna --out runs/transcap
  consilium pretrain miss --data captions.csv --augment random-resized-crop,flip,rand-augment --scaling ordinary --out runs/augmented
  consilium pretrain miss --out runs/pre --resume
  consilium train miss --init runs/pre --scaling ordinary --out runs/tuned`;

export function addPretrainMiss(command: Command): void {
  command.optionsGroup("Run:");
  addPretrainFlags(addDataThreads(addTrainingOptions(command, training)));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

const run = (options: TrainingOptions): Promise<void> =>
  runTraining(options, training, {
    train: (config, run, { progress }) => pretrainMiss(config, { ...run, bertVocabulary, onEvent: progress.onEvent }),
    report: (result, { progress }, done) => {
      progress.note(`pre-trained ${count(result.steps - result.resumedAt)} steps in ${done}`);
      const last = (losses: readonly number[]) => losses[losses.length - 1].toFixed(3);
      const { contrast, matching, captioning } = result.history;
      say(
        options,
        `losses of the last step: contrast ${last(contrast)}, matching ${last(matching)}, captioning ${last(captioning)}`,
      );
      say(options, `model: ${options.out}`);
      say(
        options,
        `tune it with: ${commandLine("train", "miss", "--init", options.out, "--scaling", result.config.scaling, "--out", "FOLDER")}`,
      );
      return {};
    },
  });
