import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { DeviceChoice } from "../../../engine/index.js";
import {
  CLASS_QUESTION,
  type Conversation,
  chunkOf,
  MAX_NEW_TOKENS,
  type MedMoeAnswer,
  readMedMoeConfig,
  templateNamed,
  templateOf,
} from "../../../models/index.js";
import { openProcesses, shareOut } from "../eval/answer-processes.js";
import { AnswerStore } from "../eval/answer-store.js";
import { type Answerer, type AnswerJob, askAll, openAnswerer, type Used } from "../eval/answerer.js";
import { classifyTask } from "../eval/classify-task.js";
import { identityOf } from "../eval/model-identity.js";
import { questionTask } from "../eval/question-task.js";
import type { EvalTask } from "../eval/task.js";
import { commandLine } from "../options/command-line.js";
import {
  addCommonOptions,
  type CommonOptions,
  deviceChoice,
  list,
  openChosenDevice,
  positive,
  wholeNumber,
} from "../options/common-options.js";
import {
  addMapOption,
  addMedMoeParts,
  type MapOptions,
  type MedMoeModelOptions,
  medMoePlaces,
} from "../options/med-moe-model.js";
import { MODEL_NAMES } from "../options/model-path.js";
import { UsageError } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { prepareFile, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";

interface Options extends CommonOptions, MedMoeModelOptions, MapOptions {
  modelPath: string;
  topK?: "1" | "2";
  dtype: "f32" | "bf16" | "f16";
  task: EvalTask["name"];
  questionFile?: string;
  imageFolder?: string;
  imageList?: string;
  classes?: string[];
  question?: string;
  answering?: "generate" | "rank";
  answersFile: string;
  numChunks: number;
  chunkIdx: number;
  convMode?: string;
  singlePredPrompt?: boolean;
  maxNewTokens: number;
  pad?: boolean;
  seed: number;
  gating?: string;
  restart?: boolean;
  devices?: DeviceChoice[];
}

const EXAMPLES = `${MODEL_NAMES}
Answers are greedy, and each is on the disk before the next question: the same command goes on where it was stopped. Images
are not padded to squares, as published. Where the questions have answers, all of them together are scored as by
\`consilium score\`.

--task classify puts images into classes, as the paper does with PneumoniaMNIST and OrganCMNIST: it asks of each which of the
classes it shows. The answer counts for the one class that it names; with --answering rank, the class whose name is the most
likely answer is taken. Folders may be called by numbers, as MedMNIST's labels are, which --classes gives names.

Examples:
  consilium eval med-moe --model-path llavastablelm-1.6b-medmoe --question-file test.json --image-folder images --answers-file answers.jsonl
  consilium eval med-moe --model-path medmoe --question-file test.json --answers-file answers-1.jsonl --num-chunks 4 --chunk-idx 1
  consilium eval med-moe --model-path medmoe --question-file test.json --answers-file answers.jsonl --devices cpu,cpu --gating routing.jsonl
  consilium eval med-moe --model-path JsST/Med-MoE/stage3 --question-file test.json --image-folder images --answers-file answers.jsonl
  consilium eval med-moe --model-path medmoe --task classify --image-folder pneumonia/test --classes normal,pneumonia --answers-file classes.jsonl`;

export function addEvalMedMoe(command: Command): void {
  command
    .optionsGroup("Model:")
    .requiredOption("--model-path <model>", "the model: config.json, weights, tokenizer")
    .addOption(new Option("--top-k <n>", "experts of a token (default: what config.json says)").choices(["1", "2"]))
    .addOption(new Option("--dtype <choice>", "type of the weights").choices(["f32", "bf16", "f16"]).default("f32"));
  addMapOption(addMedMoeParts(command))
    .optionsGroup("Questions:")
    .addOption(
      new Option("--task <choice>", "answer questions, or put images into classes")
        .choices(["vqa", "classify"])
        .default("vqa"),
    )
    .option("--question-file <file>", "vqa: questions in the format of LLaVA-Med (JSON or JSON lines)")
    .option(
      "--image-folder <folder>",
      "folder of the images (default: that of the file); classify: one for each class in it",
    )
    .option(
      "--image-list <file>",
      "classify: a table (.csv, .tsv, .jsonl) with the columns image and class, instead of folders",
    )
    .option(
      "--classes <list>",
      "classify: names of the classes, with commas (default: what folders or the list say)",
      list,
    )
    .option("--question <text>", `classify: what is asked (default: "${CLASS_QUESTION}")`)
    .addOption(
      new Option(
        "--answering <choice>",
        "classify: answers are written, or classes ranked by their likelihood (default: generate)",
      ).choices(["generate", "rank"]),
    )
    .option("--num-chunks <n>", "parts that the questions are cut into", wholeNumber, 1)
    .option("--chunk-idx <n>", "which of them to answer, counted from 0", wholeNumber, 0)
    .option("--conv-mode <template>", "how questions are written (default: by the model's name or family)")
    .option("--single-pred-prompt", "ask for the letter of a choice")
    .option("--pad", "pad images to squares")
    .optionsGroup("Answers:")
    .requiredOption("--answers-file <file>", "where the answers go, a line of JSON each; those that are there stay")
    .option("--max-new-tokens <n>", "longest answer", positive, MAX_NEW_TOKENS)
    .option("--seed <n>", "of the noise by which second experts are chosen (--top-k 2)", wholeNumber, 0)
    .option(
      "--gating <file>",
      "save which experts the tokens had, a line of JSON for each question: `plot routing` draws it",
    )
    .option("--restart", "forget the answers that are there")
    .option(
      "--devices <list>",
      "a process for each of these devices, as cpu,cpu or cuda:0,cuda:1; they share the questions",
      devices,
    );
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

const devices = (text: string): DeviceChoice[] => list(text).map(deviceChoice);

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const { answersFile, numChunks, chunkIdx, gating, convMode } = options;
  if (options.device !== undefined && options.devices)
    throw new UsageError("--device and --devices exclude each other.");
  if (convMode !== undefined) templateNamed(convMode);
  const task = await taskOf(options);
  const questions = chunkOf(task.questions, numChunks, chunkIdx);
  for (const file of [answersFile, gating]) if (file !== undefined) await prepareFile(file);
  const places = await medMoePlaces(options.modelPath, options);
  const { folder, parts, names, title } = places;
  const { json } = await readMedMoeConfig(folder);
  const template = convMode ? templateNamed(convMode) : templateOf(title, String(json.model_type));
  const how = {
    ...(options.topK && { topK: Number(options.topK) as 1 | 2 }),
    dtype: options.dtype,
    template: template.name,
    singlePrediction: options.singlePredPrompt ?? false,
    pad: options.pad ?? false,
    maxNewTokens: options.maxNewTokens,
    seed: options.seed,
    ...(task.choices && { choices: task.choices }),
    routing: gating !== undefined,
  };
  const settings = {
    ...(await identityOf(places)),
    ...how,
    ...task.settings,
    images: resolve(task.images),
  };
  const restart = options.restart ?? false;
  const store = await AnswerStore.open({ answers: answersFile, gating, questions, settings, restart });
  const open = store.open;
  const resumed = questions.length - open.length;
  if (resumed > 0)
    process.stderr.write(`${count(resumed)} of ${count(questions.length)} questions have answers already\n`);
  const job: AnswerJob = { model: folder, ...parts, ...how, mapped: options.mmap };
  let used: Used[];
  try {
    used = await answerOpen({ job, title, task, open, store, resumed }, options);
  } catch (error) {
    await store.close();
    throw error;
  }
  const answers = await store.finish();
  say(options, `${count(answers.length)} answers: ${answersFile}`);
  const scores = numChunks === 1 ? task.scores(answers) : null;
  if (scores === null) say(options, `Score all parts together: ${commandLine(...task.together)}`);
  else say(options, typeof scores === "string" ? `No scores: ${scores}.` : scores.text);
  const config = { ...names, ...how, task: task.name, ...task.settings, questions: task.source };
  await writeJson(options, {
    version: 1,
    command: "eval med-moe",
    config: { ...config, answers: answersFile, numChunks, chunkIdx },
    answered: { total: answers.length, resumed },
    devices: used,
    seconds: (performance.now() - started) / 1000,
    scores: scores === null || typeof scores === "string" ? null : scores.fields,
  });
}

const ONLY: Readonly<Record<EvalTask["name"], readonly (keyof Options)[]>> = {
  vqa: ["questionFile", "singlePredPrompt"],
  classify: ["imageList", "classes", "question", "answering"],
};

function taskOf(options: Options): Promise<EvalTask> {
  const { task, questionFile, answersFile, imageFolder, answering = "generate" } = options;
  const other = task === "vqa" ? "classify" : "vqa";
  const foreign = ONLY[other].find((key) => options[key] !== undefined);
  if (foreign)
    throw new UsageError(
      `--${foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} is for --task ${other}, this is --task ${task}.`,
    );
  if (task === "classify") {
    if (answering === "rank" && options.gating !== undefined)
      throw new UsageError("--gating saves the routing of written answers: leave out --answering rank.");
    return classifyTask({ ...options, answering });
  }
  if (questionFile === undefined)
    throw new UsageError("--question-file is missing. See consilium eval med-moe --help.");
  return questionTask(questionFile, answersFile, imageFolder);
}

interface Asking {
  readonly job: AnswerJob;
  /** The model's name. */
  readonly title: string;
  readonly task: EvalTask;
  /** What has no answer yet. */
  readonly open: readonly Conversation[];
  readonly store: AnswerStore;
  /** How many have one. */
  readonly resumed: number;
}

/** Answers what is open, on one device or with several processes. */
async function answerOpen({ job, title, task, open, store, resumed }: Asking, options: Options): Promise<Used[]> {
  if (open.length === 0) return [];
  using interruption = new Interruption("waiting for the device");
  const { signal } = interruption;
  const here = options.devices ? null : await openChosenDevice(options);
  try {
    const answerers: Answerer[] = here
      ? [await openAnswerer(job, here, open, task.source)]
      : await openProcesses(job, shareOut(options.devices as DeviceChoice[], options), open, task.source);
    const progress = new Progress(here).answering(title);
    let done = resumed;
    const onAnswer = async (answer: MedMoeAnswer) => {
      await store.add(await task.line(answer, title), answer.routing);
      progress(++done, resumed + open.length);
    };
    const kept = `the answers so far are in ${options.answersFile}, and the same command goes on from there.`;
    const asking = askAll(open, answerers, { signal, onAnswer });
    const failing = asking.catch((error) => {
      if (signal.aborted) throw error;
      throw new Error(`${error instanceof Error ? error.message : error} Answered so far: ${done}; ${kept}`, {
        cause: error,
      });
    });
    try {
      await interruption.guard(failing, `stopped; ${kept}`);
    } catch (error) {
      for (const answerer of answerers) answerer.kill();
      throw error;
    }
    return await Promise.all(answerers.map((answerer) => answerer.close()));
  } finally {
    here?.close();
  }
}
