import type { Command } from "commander";
import { loadSplits, openState, type RunConfig, readRun, type TrainResult, trainMiss } from "../../../models/index.js";
import { evaluate, majorityOf, metricsOf, scoreTable } from "../eval/evaluation.js";
import { leakFields, warnings } from "../eval/leak.js";
import { commandLine } from "../options/command-line.js";
import { addCommonOptions } from "../options/common-options.js";
import { addRunFlags, runConfig, runText } from "../options/run-flags.js";
import { bertVocabulary } from "../package-files.js";
import { count } from "../terminal/format.js";
import { say } from "../terminal/output.js";
import {
  addTrainingOptions,
  type Running,
  runTraining,
  type Training,
  type TrainingOptions,
} from "../train/training-run.js";

const training: Training<RunConfig> = {
  name: "miss",
  keeps: "where the run is kept: run.json, config.json, vocab.txt, model.safetensors, last.safetensors",
  checkpointSeconds: 60,
  openState,
  readRun,
  configOf: runConfig,
  textOf: runText,
};

const EXAMPLES = `
Examples:
  consilium train miss --set organ --out runs/organ --vocabulary reduced --scaling ordinary --schedule step \\
      --batch 32 --lr 1e-3 --warmup-steps 50 --answering rank
  consilium train miss --set vqa-rad --init runs/organ --scaling ordinary --vocabulary reduced --out runs/lora \\
      --vision lora --answering rank
  consilium train miss --data rows.csv --columns image=file,group=patient --out runs/own --vocabulary reduced
  consilium train miss --print-config > my-run.yaml
  consilium train miss --config my-run.yaml --out runs/mine --seed 7
  consilium train miss --out runs/mine --resume`;

export function addTrainMiss(command: Command): void {
  command.optionsGroup("Run:");
  addRunFlags(addTrainingOptions(command, training));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

const run = (options: TrainingOptions): Promise<void> =>
  runTraining(options, training, {
    train: (config, run, { progress }) => trainMiss(config, { ...run, bertVocabulary, onEvent: progress.onEvent }),
    report: (result, running, done) => measured(options, result, running, done),
  });

/** The model on the test questions. */
async function measured(
  options: TrainingOptions,
  result: TrainResult,
  { device, interruption, progress, flags }: Running<RunConfig>,
  done: string,
): Promise<object> {
  const { out } = options;
  const { signal } = interruption;
  progress.note(`trained ${count(result.steps - result.resumedAt)} steps in ${done}`);
  const { train, test } = await loadSplits(result.config);
  const onProgress = progress.answering("test");
  const evaluation = evaluate(out, test, { device, signal, onProgress });
  const { scores } = await interruption.guard(
    evaluation,
    `stopped while testing. The model is in ${out}; test it with: ${commandLine("eval", "miss", out, ...flags)}`,
  );
  const majority = majorityOf(train, test);
  say(options, scoreTable(scores, majority));
  for (const warning of warnings(result, result.config.data)) say(options, warning);
  say(options, `model: ${out}`);
  return { ...leakFields(result), metrics: metricsOf(scores), baselines: { majority } };
}
