import { join } from "node:path";
import { type DeviceChoice, openDevice } from "../../../engine/index.js";
import {
  comparePaired,
  loadSplits,
  RunConfig,
  type TrainResult,
  trainMiss,
  type VqaRecord,
} from "../../../models/index.js";
import { type Evaluation, evaluate, majorityOf, marksOf, metricsOf } from "../eval/evaluation.js";
import { leakFields } from "../eval/leak.js";
import { bertVocabulary } from "../package-files.js";
import { Interrupted } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import type { Interruption } from "../terminal/interruption.js";
import { memoryUsed } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { resumable } from "../train/run-folder.js";
import type { StageSettings } from "./settings.js";

export interface StageOptions {
  readonly out: string;
  readonly deviceName: DeviceChoice;
  readonly threads?: number;
  readonly memory?: number;
  readonly seed?: number;
  readonly resume: boolean;
  readonly interruption: Interruption;
  /** The command that goes on after a stop. */
  readonly again: string;
  /** The model to start from. */
  readonly init?: string;
}

/** What a stage hands to the summary and to the report. */
export interface StageResult {
  readonly settings: StageSettings;
  readonly config: RunConfig;
  readonly folder: string;
  /** Of this process: since the step of `training.resumedAt`, where the stage was stopped. */
  readonly seconds: number;
  readonly peakBytes: number;
  readonly peakRss: number;
  readonly training: TrainResult;
  readonly train: readonly VqaRecord[];
  readonly evaluation: Evaluation;
  readonly majority: ReturnType<typeof majorityOf>;
  /** The same weights with the images of other questions. */
  readonly shuffled: Evaluation;
  /** The same model trained on grey squares, from the same start and as long. */
  readonly questionOnly: Evaluation;
}

/** Trains and measures one stage, then its controls. With `resume`, what is finished is only measured again. */
export async function runStage(settings: StageSettings, options: StageOptions): Promise<StageResult> {
  const started = performance.now();
  const folder = join(options.out, settings.name);
  const config = RunConfig.parse({
    ...settings.run,
    ...(options.init && { init: options.init }),
    ...(options.seed !== undefined && { seed: options.seed }),
  });
  // A device of its own, so that the peak is the stage's.
  using device = await openDevice(options.deviceName, { threads: options.threads, memoryBudget: options.memory });
  const { interruption } = options;
  const { signal } = interruption;
  const progress = new Progress(device);
  const kept = `stopped; ${options.out} keeps the last checkpoint. Go on with: ${options.again}`;

  const trainIn = async (run: RunConfig, out: string) => {
    const { resume } = options;
    const onEvent = progress.onEvent;
    const result = await interruption.guard(
      resumable(trainMiss(run, { device, out, bertVocabulary, resume, signal, onEvent }), options.again),
      kept,
    );
    if (result.interrupted) throw new Interrupted(kept);
    return result;
  };
  const measure = async (run: RunConfig, from: string, label: string) => {
    const { test } = await loadSplits(run);
    return interruption.guard(evaluate(from, test, { device, signal, onProgress: progress.answering(label) }), kept);
  };

  const training = await trainIn(config, folder);
  const evaluation = await measure(config, folder, "test");
  const shuffled = await measure({ ...config, images: "shuffled" }, folder, "test with shuffled images");
  const { peakBytes, peakRss } = memoryUsed(device);
  const seconds = (performance.now() - started) / 1000;

  progress.note("the same again with grey squares for images: what does the question alone give?");
  const blind: RunConfig = { ...config, images: "blank" };
  await trainIn(blind, `${folder}-question-only`);
  const questionOnly = await measure(blind, `${folder}-question-only`, "test, question only");

  const { train } = await loadSplits(config);
  const majority = majorityOf(train, evaluation.records);
  const result = { settings, config, folder, seconds, peakBytes, peakRss, training, train, evaluation, majority };
  return { ...result, shuffled, questionOnly };
}

/** What the seconds and the memory of a stage leave out, in words; nothing where one process did all of it. */
export const sinceResume = ({ training }: StageResult): string =>
  training.resumedAt > 0 ? `, since it went on at step ${count(training.resumedAt)}` : "";

/** A stage as the JSON document of the demo has it. */
export function stageDocument(stage: StageResult) {
  const { evaluation, shuffled, questionOnly, training } = stage;
  const metrics = metricsOf(evaluation.scores);
  return {
    name: stage.settings.name,
    seconds: stage.seconds,
    peakBytes: stage.peakBytes,
    peakRss: stage.peakRss,
    metrics: stage.settings.name === "organ" ? { heldOutAccuracy: metrics.global, ...metrics } : metrics,
    baselines: {
      majority: stage.majority,
      shuffledImages: {
        ...metricsOf(shuffled.scores),
        paired: comparePaired(marksOf(shuffled), marksOf(evaluation)),
      },
      questionOnly: {
        ...metricsOf(questionOnly.scores),
        paired: comparePaired(marksOf(questionOnly), marksOf(evaluation)),
      },
    },
    parameters: training.parameters,
    steps: training.steps,
    resumedAt: training.resumedAt,
    ...leakFields(training),
    config: stage.config,
  };
}
