import type { Command } from "commander";
import { loadSplits, openState, type RunConfig, readRun, type TrainResult, trainMiss } from "../../../models/index.js";
import { evaluate, majorityOf, metricsOf, scoreTable } from "../eval/evaluation.js";
import { leakFields, warnings } from "../eval/leak.js";
import { commandLine, commonFlags } from "../options/command-line.js";
import { addCommonOptions, openChosenDevice } from "../options/common-options.js";
import { addRunFlags, runConfig } from "../options/run-flags.js";
import { bertVocabulary } from "../package-files.js";
import { Interrupted } from "../terminal/exit.js";
import { clock, count } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { memoryUsed, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { resumable } from "../train/run-folder.js";
import {
  addTrainingOptions,
  resumeCommand,
  stoppedEarly,
  type Training,
  type TrainingOptions,
  trainingSettings,
} from "../train/training-run.js";

const training: Training<RunConfig> = {
  name: "miss",
  keeps: "where the run is kept: run.json, config.json, vocab.txt, model.safetensors, last.safetensors",
  checkpointSeconds: 60,
  openState,
  readRun,
  configOf: runConfig,
};

const EXAMPLES = `
Examples:
  consilium train miss --set organ --out runs/organ --vocabulary reduced --scaling ordinary --schedule step \\
      --batch 32 --lr 1e-3 --warmup-steps 50 --answering rank
  consilium train miss --set vqa-rad --init runs/organ --scaling ordinary --vocabulary reduced --out runs/lora \\
      --vision lora --answering rank
  consilium train miss --data rows.csv --columns image=file,group=patient --out runs/own --vocabulary reduced
  consilium train miss --config my-run.json --out runs/mine --seed 7
  consilium train miss --out runs/mine --resume`;

export function addTrainMiss(program: Command): void {
  const command = program
    .command("miss")
    .description("train MISS, from scratch or from a checkpoint, and measure it on the test questions")
    .optionsGroup("Run:");
  addRunFlags(addTrainingOptions(command, training));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: TrainingOptions): Promise<void> {
  const started = performance.now();
  const config = await trainingSettings(options, training);

  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const { signal } = interruption;
  const progress = new Progress(device);
  const { out, resume, checkpointSeconds } = options;
  const trained = trainMiss(config, {
    device,
    out,
    bertVocabulary,
    resume,
    signal,
    checkpointSeconds,
    onEvent: progress.onEvent,
  });
  const flags = commonFlags(options, device.name);
  const again = resumeCommand(options, training, flags);
  const result = await interruption.guard(resumable(trained, again), stoppedEarly(out, again));
  if (result.interrupted) throw new Interrupted(stopped(result, out, again));
  progress.note(
    `trained ${count(result.steps - result.resumedAt)} steps in ${clock((performance.now() - started) / 1000)}`,
  );

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
  await writeJson(options, {
    version: 1,
    command: "train miss",
    device: { name: device.name, description: device.description },
    config: result.config,
    ...leakFields(result),
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    parameters: result.parameters,
    steps: result.steps,
    resumedAt: result.resumedAt,
    history: result.history,
    validations: result.validations,
    metrics: metricsOf(scores),
    baselines: { majority },
  });
}

const stopped = ({ steps }: TrainResult, out: string, again: string) =>
  `stopped after step ${count(steps)}; the checkpoint is in ${out}. Go on with: ${again}`;
