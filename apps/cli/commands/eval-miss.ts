import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import {
  type Answering,
  answersOf,
  type Comparison,
  comparePaired,
  folderSets,
  formatResults,
  isTableFile,
  lastTuning,
  loadQuestions,
  type Made,
  RunConfig,
  type RunConfigInput,
  readMade,
  readModelFolder,
  refuseUnfinished,
  type TableData,
  type VqaRecord,
} from "../../../models/index.js";
import { renderReport } from "../../report/report.js";
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  majorityOf,
  marksOf,
  metricsOf,
  scoreTable,
} from "../eval/evaluation.js";
import { cautions, leakFields, leakNotice, warnings } from "../eval/leak.js";
import { evaluationReport } from "../eval/report.js";
import { addCommonOptions, type CommonOptions, openChosenDevice } from "../options/common-options.js";
import { addRunFlags, givenFlags, LEAK, TABLE } from "../options/run-flags.js";
import { checkVqaRad, vqaRadFolder } from "../package-files.js";
import { UsageError } from "../terminal/exit.js";
import { percent, short } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { memoryUsed, prepareFile, say, writeFileIn, writeJson } from "../terminal/output.js";
import { loadNotes, Progress } from "../terminal/progress.js";

/** Of a data set, as the flag names them. */
const PARTS = { test: "test", val: "validation", train: "train" } as const;

interface Options extends CommonOptions {
  set?: (typeof folderSets)[number];
  data?: string;
  split: keyof typeof PARTS;
  baseline?: string;
  predictions?: string;
  report?: string;
  reportImages?: boolean;
  shuffleImages?: boolean;
  blankImages?: boolean;
}

const EXAMPLES = `
Examples:
  consilium eval miss runs/organ
  consilium eval miss runs/lora --set vqa-rad --baseline runs/question-only --predictions answers.json
  consilium eval miss runs/organ --shuffle-images
  consilium eval miss runs/pre-trained --set organ --answering rank --rank-k 10
  consilium eval miss runs/own --data other-hospital.csv --columns image=file,group=patient`;

export function addEvalMiss(command: Command): void {
  command
    .argument("<folder>", "folder of a model: config.json, vocab.txt, model.safetensors")
    .optionsGroup("Questions:")
    .addOption(
      new Option("--set <choice>", "which questions (default: those the model was trained on)").choices(folderSets),
    )
    .option(
      "--data <path>",
      "folder of the data set, or a table (default: that of the training, else the package's VQA-RAD)",
    )
    .addOption(
      new Option("--split <choice>", "part of the data set; a table that nothing splits is taken as a whole")
        .choices(Object.keys(PARTS))
        .default("test"),
    )
    .option("--shuffle-images", "a control: give each question the image of another")
    .option("--blank-images", "a control: give each question a grey square")
    .optionsGroup("Comparison and results:")
    .option("--baseline <folder>", "another model to compare with, question by question")
    .option("--predictions <file>", "write the answers as the published scripts do")
    .option("--report <file>", "write a page with the results: one HTML file that needs nothing else")
    .option("--report-images", "with thumbnails of some images (default: no image leaves the data set)");
  addRunFlags(command, [TABLE, LEAK, "Answers:"]);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(folder: string, options: Options): Promise<void> {
  const started = performance.now();
  const made = await readMade(folder);
  const config = configOf(lastTuning(made), options);
  // What is missing shows now, not after minutes of answering.
  for (const model of [folder, options.baseline])
    if (model) {
      await refuseUnfinished(model);
      await readModelFolder(model);
    }
  if (options.reportImages && !options.report) throw new UsageError("--report-images needs --report FILE.");
  for (const file of [options.predictions, options.report]) if (file) await prepareFile(file);
  const asked = await loadQuestions(config, PARTS[options.split], made);
  const { train, questions } = asked;
  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const progress = new Progress(device);
  const { signal } = interruption;
  const { answering } = givenFlags({ ...options }, ["Answers:"]) as GivenAnswers;
  const settings: EvaluateOptions = {
    device,
    signal,
    onLoaded: (from, report) => {
      for (const note of loadNotes(from, report)) progress.note(note);
    },
    onProgress: progress.answering(folder),
    answering: (saved) => changed(saved, answering ?? {}, train),
    // As the training's own test.
    atATime: lastTuning(made)?.batch,
  };
  const found = await interruption.guard(evaluate(folder, questions, settings), "stopped; nothing was written.");
  const majority = train.length > 0 ? majorityOf(train, questions) : null;

  const other = options.baseline ? baseline(options.baseline, options, config, made, found, settings) : null;
  const compared = other ? await interruption.guard(other, "stopped; nothing was written.") : null;
  const control = config.images === "real" ? null : CONTROLS[config.images];
  if (control) say(options, `${control}\n`);
  say(options, scoreTable(found.scores, majority, compared ? { baseline: compared.scores } : {}));
  for (const warning of warnings(asked, config.data)) say(options, warning);
  if (compared) say(options, sentence(compared.comparison));
  const answers = found.predictions.map((p) => p.answer);
  if (options.predictions) await writeFileIn(options.predictions, formatResults(questions, answers));
  if (options.report) {
    const { set } = config.data;
    const report = await evaluationReport({
      model: folder,
      data: `${set === "table" ? basename(config.data.file) : set} (${asked.part})`,
      device,
      evaluation: found,
      majority,
      baseline: compared?.scores ?? null,
      comparison: compared ? sentence(compared.comparison) : "",
      leak: leakNotice(asked.leak, config.data),
      cautions: cautions(asked),
      control,
      seed: config.seed,
      images: (options.reportImages ?? false) && config.images !== "blank",
    });
    await writeFileIn(options.report, renderReport(report));
  }
  await writeJson(options, {
    version: 1,
    command: "eval miss",
    device: { name: device.name, description: device.description },
    config: { model: folder, data: config.data, split: asked.part, images: config.images },
    ...leakFields(asked),
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    metrics: metricsOf(found.scores),
    baselines: {
      ...(majority && { majority }),
      ...(compared && {
        model: { folder: options.baseline, ...metricsOf(compared.scores), paired: compared.comparison },
      }),
    },
  });
}

type GivenAnswers = { answering?: Partial<RunConfig["answering"]> };

const CONTROLS = {
  shuffled: "A control (--shuffle-images): each question has the image of another.",
  blank: "A control (--blank-images): each question has a grey square instead of its image.",
} as const;

/** What the model was trained on, as far as its folder knows, changed by the flags. */
function configOf(run: RunConfig | null, options: Options): RunConfig {
  const { shuffleImages, blankImages } = options;
  if (shuffleImages && blankImages) throw new UsageError("--shuffle-images and --blank-images exclude each other.");
  const images = shuffleImages ? "shuffled" : blankImages ? "blank" : (run?.images ?? "real");
  const data = dataOf(run?.data, options);
  if (data.set !== "table") checkVqaRad(data.folder);
  return RunConfig.parse({ data, images, epochs: 1, seed: run?.seed });
}

function dataOf(trained: RunConfig["data"] | undefined, options: Options): RunConfigInput["data"] {
  const { set, data: path } = options;
  const given = (givenFlags({ ...options }, [TABLE, LEAK]).data ?? {}) as Partial<TableData>;
  const isOwn = trained?.set === "table" && !set && (path === undefined || resolve(path) === resolve(trained.file));
  if (isOwn) return { ...trained, ...given };
  if (path !== undefined && isTableFile(path)) {
    if (set) throw new UsageError(`--set is for a folder; ${path} is a table. Leave it out.`);
    return { ...given, set: "table", file: path };
  }
  const { allowLeak = trained?.set !== "table" && !set && path === undefined && trained?.allowLeak, ...ofTable } =
    given;
  if (Object.keys(ofTable).length > 0)
    throw new UsageError("--columns, --form and --image-folder are for a table: name it with --data FILE.csv.");
  const folder = trained?.set === "table" ? undefined : trained?.folder;
  const of = set ?? (trained?.set === "table" ? undefined : trained?.set) ?? "vqa-rad";
  if (of === "slake" && !path && trained?.set !== "slake")
    throw new UsageError("--set slake needs --data, the folder of SLAKE.");
  return { set: of, folder: path ?? folder ?? vqaRadFolder, ...(allowLeak && { allowLeak }) };
}

/** The other model on the same questions, with the images that it was trained to see. */
async function baseline(
  folder: string,
  options: Options,
  config: RunConfig,
  made: Made | null,
  found: Evaluation,
  settings: EvaluateOptions,
) {
  const { images } = configOf(lastTuning(await readMade(folder)), {
    ...options,
    shuffleImages: false,
    blankImages: false,
  });
  const { questions } = await loadQuestions({ ...config, images }, PARTS[options.split], made);
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
