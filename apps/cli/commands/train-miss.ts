import type { Command } from "commander";
import { loadSplits, openState, type RunConfig, readRun, type TrainResult, trainMiss } from "../../../models/index.js";
import { commandLine, commonFlags } from "../command-line.js";
import { addCommonOptions, type CommonOptions, openChosenDevice, secondsFrom0 } from "../common-options.js";
import { readConfigFile } from "../config-flags.js";
import { evaluate, majorityOf, metricsOf, scoreTable } from "../evaluation.js";
import { Interrupted, UsageError } from "../exit.js";
import { clock, count } from "../format.js";
import { Interruption } from "../interruption.js";
import { leakFields, warnings } from "../leak.js";
import { memoryUsed, say, writeJson } from "../output.js";
import { bertVocabulary } from "../package-files.js";
import { Progress } from "../progress.js";
import { addRunFlags, runConfig } from "../run-flags.js";
import { holdsRun, resumable } from "../run-folder.js";

interface Options extends CommonOptions {
  out: string;
  config?: string;
  resume?: boolean;
  checkpointSeconds: number;
}

const CHECKPOINT_SECONDS = 60;

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
    .optionsGroup("Run:")
    .requiredOption(
      "--out <folder>",
      "where the run is kept: run.json, config.json, vocab.txt, model.safetensors, last.safetensors",
    )
    .option("--config <file>", "settings as JSON; flags change them")
    .option("--resume", "go on from the last checkpoint in --out, with the settings it was started with")
    .option("--checkpoint-seconds <n>", "seconds between checkpoints at most", secondsFrom0, CHECKPOINT_SECONDS);
  addRunFlags(command);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const config = await settings(options);

  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const { signal } = interruption;
  const progress = new Progress(device);
  const { out, resume, checkpointSeconds } = options;
  const training = trainMiss(config, {
    device,
    out,
    bertVocabulary,
    resume,
    signal,
    checkpointSeconds,
    onEvent: progress.onEvent,
  });
  const flags = commonFlags(options, device.name);
  const again = resuming(options, flags);
  const result = await interruption.guard(
    resumable(training, again),
    "stopped before the first step; nothing was saved.",
  );
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

/** The settings of the saved run where it is resumed, else those of the file; flags change both. */
async function settings(options: Options): Promise<RunConfig> {
  const { out, resume, config: file } = options;
  const isRun = await holdsRun(out);
  if (isRun && !resume)
    throw new UsageError(`${out} holds a run already. Add --resume to go on with it, or choose another --out.`);
  if (isRun && !file) {
    const { state, reader } = await openState(out);
    await reader.close();
    return runConfig({ ...options }, { values: state.config, file: out });
  }
  // Stopped before its first checkpoint: the same settings, from the start.
  const begun = resume && !file ? await readRun(out) : null;
  if (begun) return runConfig({ ...options }, { values: begun, file: out });
  if (resume && !file)
    throw new UsageError(`${out} holds no run to go on with. Check --out, or leave out --resume to start one.`);
  if (!file) return runConfig({ ...options });
  return runConfig({ ...options }, { values: await readConfigFile(file, "train miss"), file });
}

/** The command that goes on with this run. */
function resuming({ out, checkpointSeconds }: Options, flags: readonly string[]): string {
  const often = checkpointSeconds === CHECKPOINT_SECONDS ? [] : ["--checkpoint-seconds", String(checkpointSeconds)];
  return commandLine("train", "miss", "--out", out, "--resume", ...often, ...flags);
}

const stopped = ({ steps }: TrainResult, out: string, again: string) =>
  `stopped after step ${count(steps)}; the checkpoint is in ${out}. Go on with: ${again}`;
