import { basename } from "node:path";
import type { Command } from "commander";
import {
  fitMemory,
  loadSplits,
  openState,
  type RunConfig,
  readRun,
  type TrainResult,
  trainMiss,
} from "../../../models/index.js";
import type { Fact } from "../../report/data.js";
import { renderReport } from "../../report/report.js";
import { evaluate, majorityOf, metricsOf, scoreTable } from "../eval/evaluation.js";
import { cautions, leakFields, leakNotice, warnings } from "../eval/leak.js";
import { evaluationReport } from "../eval/report.js";
import { commandLine } from "../options/command-line.js";
import { addCommonOptions, byteSize } from "../options/common-options.js";
import { addRunFlags, runConfig, runText } from "../options/run-flags.js";
import { bertVocabulary } from "../package-files.js";
import { UsageError } from "../terminal/exit.js";
import { bytes, count, percent } from "../terminal/format.js";
import { prepareFile, say, writeFileIn } from "../terminal/output.js";
import type { Progress } from "../terminal/progress.js";
import { suggestLr } from "../train/suggest-lr.js";
import {
  addDataThreads,
  addTrainingOptions,
  givenSettings,
  type Running,
  type RunOptions,
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
      --vit lora --answering rank
  consilium train miss --set vqa-rad --init runs/organ --scaling ordinary --out runs/prefix \\
      --vit F --jtm lora --dec prefix --rank 4
  consilium train miss --data rows.csv --columns image=file,group=patient --out runs/own --vocabulary reduced
  consilium train miss --print-config > my-run.yaml
  consilium train miss --config my-run.yaml --out runs/mine --seed 7
  consilium train miss --config my-run.yaml --find-lr
  consilium train miss --config my-run.yaml --out runs/mine --max-memory 8GB
  consilium train miss --out runs/mine --resume`;

interface Options extends TrainingOptions {
  findLr?: boolean;
  /** Bytes. */
  maxMemory?: number;
  report?: string;
}

export function addTrainMiss(command: Command): void {
  command.optionsGroup("Run:");
  addDataThreads(addTrainingOptions(command, training))
    .option("--find-lr", "try learning rates on weights that are thrown away, suggest one, and do nothing else")
    .option(
      "--max-memory <size>",
      "choose --batch and --accumulate so that the same step fits, as 800MB or 8GB on the device",
      byteSize,
    )
    .option(
      "--report <file>",
      "write a page with curves and results: one HTML file that needs nothing else, without images",
    );
  addRunFlags(command);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: Options): Promise<void> {
  const { maxMemory, resume, findLr } = options;
  if (findLr && !options.printConfig) return suggestLr(options, await givenSettings(options, training));
  if (maxMemory !== undefined && resume)
    throw new UsageError(
      "--max-memory chooses for a new run; one that goes on has its batch. Leave it out with --resume.",
    );
  const { report } = options;
  if (report && !options.printConfig) await prepareFile(report);
  return runTraining(options, training, {
    flags: report ? ["--report", report] : [],
    async train(config, run, { progress }) {
      const fitted = maxMemory === undefined ? config : await withinMemory(config, maxMemory, run, progress);
      return trainMiss(fitted, { ...run, bertVocabulary, onEvent: progress.onEvent });
    },
    report: (result, running, done) => measured(options, result, running, done),
  });
}

/** The settings with the batch that fits, and the same questions a step. */
async function withinMemory(
  config: RunConfig,
  maxMemory: number,
  run: RunOptions,
  progress: Progress,
): Promise<RunConfig> {
  const { device, signal, dataThreads } = run;
  const plan = await fitMemory(config, maxMemory, { device, signal, dataThreads, bertVocabulary });
  const { batch, accumulate, peaks } = plan;
  const measured = peaks.map(({ batch: n, bytes: peak }) => `${n}: ${peak === null ? "too much" : bytes(peak)}`);
  progress.note(
    `--max-memory ${bytes(maxMemory)}: --batch ${batch} --accumulate ${accumulate} (questions at a time, and what training and answering need: ${measured.join(", ")})`,
  );
  return { ...config, batch, accumulate };
}

/** The model on the test questions. */
async function measured(
  options: Options,
  result: TrainResult,
  { device, interruption, progress, flags }: Running<RunConfig>,
  done: string,
): Promise<object> {
  const { out } = options;
  const { signal } = interruption;
  progress.note(`trained ${count(result.steps - result.resumedAt)} steps in ${done}`);
  const { train, test } = await loadSplits(result.config);
  const onProgress = progress.answering("test");
  const evaluation = evaluate(out, test, { device, signal, onProgress, atATime: result.config.batch });
  const found = await interruption.guard(
    evaluation,
    `stopped while testing. The model is in ${out}; test it with: ${commandLine("eval", "miss", out, ...flags)}`,
  );
  const { scores } = found;
  const majority = majorityOf(train, test);
  say(options, scoreTable(scores, majority));
  for (const warning of warnings(result, result.config.data)) say(options, warning);
  say(options, `model: ${out}`);
  if (options.report)
    await writeFileIn(
      options.report,
      renderReport(
        await evaluationReport({
          ...{ model: out, data: dataText(result.config), device, evaluation: found, majority },
          ...{ baseline: null, comparison: "", control: null, seed: result.config.seed, images: false },
          leak: leakNotice(result.leak, result.config.data),
          cautions: cautions(result),
          training: { history: result.history, facts: trainingFacts(result) },
        }),
      ),
    );
  return { ...leakFields(result), metrics: metricsOf(scores), baselines: { majority } };
}

const dataText = ({ data }: RunConfig) => `${data.set === "table" ? basename(data.file) : data.set} (test)`;

/** What a report says of the training before its curves. */
function trainingFacts({ config, parameters, steps, validations, best }: TrainResult): Fact[] {
  const { batch, accumulate } = config;
  return [
    { name: "parameters trained", value: `${count(parameters.trainable)} of ${count(parameters.total)}` },
    { name: "steps", value: `${count(steps)} of ${count(batch * accumulate)} questions` },
    ...validations.map((validation) => ({
      name: `validation at step ${count(validation.step)}`,
      value: `${percent(validation.accuracy)}${validation.step === best?.step ? ", the one that is kept" : ""}`,
    })),
  ];
}
