import { type Command, Option } from "commander";
import {
  type Answering,
  answersOf,
  type Comparison,
  comparePaired,
  formatResults,
  loadSplits,
  RunConfig,
  readModelFolder,
  type VqaRecord,
} from "../../../models/index.js";
import { addCommonOptions, type CommonOptions, openChosenDevice } from "../common-options.js";
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  majorityOf,
  marksOf,
  metricsOf,
  scoreTable,
} from "../evaluation.js";
import { UsageError } from "../exit.js";
import { percent, short } from "../format.js";
import { Interruption } from "../interruption.js";
import { memoryUsed, prepareFile, say, writeFileIn, writeJson } from "../output.js";
import { checkVqaRad, vqaRadFolder } from "../package-files.js";
import { loadNotes, Progress } from "../progress.js";
import { addRunFlags, givenFlags } from "../run-flags.js";
import { readRun } from "../run-folder.js";

interface Options extends CommonOptions {
  set?: RunConfig["data"]["set"];
  data?: string;
  split: "train" | "test";
  baseline?: string;
  predictions?: string;
  shuffleImages?: boolean;
  blankImages?: boolean;
}

const EXAMPLES = `
Examples:
  consilium eval miss runs/organ
  consilium eval miss runs/lora --set vqa-rad --baseline runs/question-only --predictions answers.json
  consilium eval miss runs/organ --shuffle-images`;

export function addEvalMiss(program: Command): void {
  const command = program
    .command("miss")
    .description("measure a MISS model: opened, closed and global accuracy with 95 % intervals, beside baselines")
    .argument("<folder>", "folder of a model: config.json, vocab.txt, model.safetensors")
    .optionsGroup("Questions:")
    .addOption(
      new Option("--set <choice>", "which questions (default: those the model was trained on)").choices(
        RunConfig.shape.data.shape.set.options,
      ),
    )
    .option("--data <folder>", "folder of the data set (default: that of the training, else the package's VQA-RAD)")
    .addOption(new Option("--split <choice>", "part of the data set").choices(["test", "train"]).default("test"))
    .option("--shuffle-images", "a control: give each question the image of another")
    .option("--blank-images", "a control: give each question a grey square")
    .optionsGroup("Comparison and results:")
    .option("--baseline <folder>", "another model to compare with, question by question")
    .option("--predictions <file>", "write the answers as the published scripts do");
  addRunFlags(command, ["Answers:"]);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(folder: string, options: Options): Promise<void> {
  const started = performance.now();
  const config = await configOf(folder, options);
  // What is missing shows now, not after minutes of answering.
  for (const model of [folder, options.baseline]) if (model) await readModelFolder(model);
  if (options.predictions) await prepareFile(options.predictions);
  const { train, questions } = await questionsOf(config, options);
  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const progress = new Progress(device);
  const { signal } = interruption;
  const { answering } = givenFlags({ ...options }) as { answering?: Partial<RunConfig["answering"]> };
  const settings: EvaluateOptions = {
    device,
    signal,
    onLoaded: (from, report) => {
      for (const note of loadNotes(from, report)) progress.note(note);
    },
    onProgress: progress.answering(folder),
    answering: (saved) => changed(saved, answering ?? {}, train),
  };
  const found = await interruption.guard(evaluate(folder, questions, settings), "stopped; nothing was written.");
  const majority = majorityOf(train, questions);

  const other = options.baseline ? baseline(options.baseline, options, config, found, settings) : null;
  const compared = other ? await interruption.guard(other, "stopped; nothing was written.") : null;
  say(options, scoreTable(found.scores, majority, compared ? { baseline: compared.scores } : {}));
  if (compared) say(options, sentence(compared.comparison));
  const answers = found.predictions.map((p) => p.answer);
  if (options.predictions) await writeFileIn(options.predictions, formatResults(questions, answers));
  await writeJson(options, {
    version: 1,
    command: "eval miss",
    device: { name: device.name, description: device.description },
    config: { model: folder, data: config.data, split: options.split, images: config.images },
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    metrics: metricsOf(found.scores),
    baselines: {
      majority,
      ...(compared && {
        model: { folder: options.baseline, ...metricsOf(compared.scores), paired: compared.comparison },
      }),
    },
  });
}

/** What the model was trained on, as far as its folder knows, changed by the flags. */
async function configOf(folder: string, { set, data, shuffleImages, blankImages }: Options): Promise<RunConfig> {
  if (shuffleImages && blankImages) throw new UsageError("--shuffle-images and --blank-images exclude each other.");
  const run = await readRun(folder);
  const of = set ?? run?.data.set ?? "vqa-rad";
  if (of === "slake" && !data && run?.data.set !== "slake")
    throw new UsageError("--set slake needs --data, the folder of SLAKE.");
  const images = shuffleImages ? "shuffled" : blankImages ? "blank" : (run?.images ?? "real");
  const known = run?.data.folder ?? vqaRadFolder;
  checkVqaRad(data ?? known);
  return RunConfig.parse({ data: { set: of, folder: data ?? known }, images, epochs: 1, seed: run?.seed });
}

async function questionsOf(config: RunConfig, { split }: Options) {
  const { train, test } = await loadSplits(config);
  return { train, questions: split === "train" ? train : test };
}

/** The other model on the same questions, with the images that it was trained to see. */
async function baseline(
  folder: string,
  options: Options,
  config: RunConfig,
  found: Evaluation,
  settings: EvaluateOptions,
) {
  const { images } = await configOf(folder, { ...options, shuffleImages: false, blankImages: false });
  const { questions } = await questionsOf({ ...config, images }, options);
  const { scores, records, predictions } = await evaluate(folder, questions, { ...settings, answering: undefined });
  return { scores, comparison: comparePaired(marksOf({ records, predictions }), marksOf(found)) };
}

function sentence({ difference, interval, pValue, onlyA, onlyB }: Comparison): string {
  const points = (share: number) => percent(share).replace(" %", "");
  return (
    `Against the baseline: ${points(difference)} points (95 % interval ${points(interval.low)} to ${points(interval.high)}); ` +
    `${onlyB} questions only this model got right, ${onlyA} only the baseline; McNemar's exact p = ${short(pValue)}.`
  );
}

/** The saved way to answer with the flags' changes. Ranking chooses from the training answers of the data set. */
function changed(saved: Answering, given: Partial<RunConfig["answering"]>, train: readonly VqaRecord[]): Answering {
  const method = given.method ?? saved.method;
  const maskQuestionPads = given.maskQuestionPads ?? saved.maskQuestionPads;
  if (method === "generate") {
    const { beams, maxLength } = saved.method === "generate" ? saved : { beams: 3, maxLength: 10 };
    return { method, beams: given.beams ?? beams, maxLength: given.maxLength ?? maxLength, maskQuestionPads };
  }
  const { answers, k } = saved.method === "rank" ? saved : { answers: answersOf(train), k: 128 };
  return { method, answers, k: given.k ?? k, maskQuestionPads };
}
