import { basename, dirname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { DeviceName } from "../../../engine/index.js";
import {
  type AnswerLine,
  answerLine,
  type Conversation,
  loadQuestionFiles,
  MAX_NEW_TOKENS,
  type MedMoeAnswer,
  pairAnswers,
  parseAnswers,
  part,
  readMedMoeConfig,
  scoreMedMoe,
  type Template,
  templateNamed,
  templateOf,
} from "../../../models/index.js";
import { openProcesses, shareOut } from "../answer-processes.js";
import { AnswerStore, weightsOf } from "../answer-store.js";
import { type Answerer, type AnswerJob, askAll, openAnswerer, type Used } from "../answerer.js";
import { commandLine } from "../command-line.js";
import {
  addCommonOptions,
  type CommonOptions,
  DEVICES,
  list,
  openChosenDevice,
  wholeNumber,
} from "../common-options.js";
import { UsageError } from "../exit.js";
import { count } from "../format.js";
import { Interruption } from "../interruption.js";
import { scoreFields, scoreText } from "../med-moe-scores.js";
import { prepareFile, say, writeJson } from "../output.js";
import { Progress } from "../progress.js";

interface Options extends CommonOptions {
  modelPath: string;
  modelBase?: string;
  tower?: string;
  projector?: string;
  router?: string;
  topK?: "1" | "2";
  dtype: "f32" | "bf16" | "f16";
  questionFile: string;
  imageFolder?: string;
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
  devices?: DeviceName[];
}

const EXAMPLES = `
Answers are greedy, and each is on the disk before the next question: the same command goes on where it was stopped. Images
are not padded to squares, as published. Where the questions have answers, all of them together are scored as by
\`consilium score\`.

Examples:
  consilium eval med-moe --model-path llavastablelm-1.6b-medmoe --question-file test.json --image-folder images --answers-file answers.jsonl
  consilium eval med-moe --model-path medmoe --question-file test.json --answers-file answers-1.jsonl --num-chunks 4 --chunk-idx 1
  consilium eval med-moe --model-path medmoe --question-file test.json --answers-file answers.jsonl --devices cpu,cpu --gating routing.jsonl`;

export function addEvalMedMoe(program: Command): void {
  const command = program
    .command("med-moe")
    .description("put questions about images to a Med-MoE model, write its answers as JSON lines, and score them")
    .optionsGroup("Model:")
    .requiredOption("--model-path <folder>", "folder of the model: config.json, weights, tokenizer")
    .option("--model-base <folder>", "folder of the language model that a folder of stage align was trained for")
    .option("--tower <folder>", "folder of the CLIP tower (default: what the model's config.json names)")
    .option("--projector <file>", "mm_projector.bin, instead of the checkpoint's projector")
    .option("--router <file>", "router.pth, instead of the checkpoint's routers")
    .addOption(new Option("--top-k <n>", "experts of a token (default: what config.json says)").choices(["1", "2"]))
    .addOption(new Option("--dtype <choice>", "type of the weights").choices(["f32", "bf16", "f16"]).default("f32"))
    .optionsGroup("Questions:")
    .requiredOption("--question-file <file>", "questions in the format of LLaVA-Med (JSON or JSON lines)")
    .option("--image-folder <folder>", "folder of the images (default: that of the question file)")
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
    .option("--devices <list>", "a process for each of these devices, as cpu,cpu; they share the questions", devices);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError("It is a whole number from 1.");
  return value;
}

function devices(text: string): DeviceName[] {
  const names = list(text);
  const unknown = names.find((name) => !(DEVICES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`There is no device "${unknown}"; it is a list of ${DEVICES.join(", ")}.`);
  return names as DeviceName[];
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const { questionFile, imageFolder, answersFile, numChunks, chunkIdx, gating } = options;
  if (options.device !== undefined && options.devices)
    throw new UsageError("--device and --devices exclude each other.");
  const { family, json } = await readMedMoeConfig(options.modelPath);
  const template = options.convMode ? templateNamed(options.convMode) : templateBy(options.modelPath, family, json);
  const all = await loadQuestionFiles([questionFile], { imageFolder });
  const questions = part(all, numChunks, chunkIdx);
  for (const file of [answersFile, gating]) if (file !== undefined) await prepareFile(file);
  const job: AnswerJob = {
    model: options.modelPath,
    base: options.modelBase,
    tower: options.tower,
    projector: options.projector,
    router: options.router,
    ...(options.topK && { topK: Number(options.topK) as 1 | 2 }),
    dtype: options.dtype,
    template: template.name,
    singlePrediction: options.singlePredPrompt ?? false,
    pad: options.pad ?? false,
    maxNewTokens: options.maxNewTokens,
    seed: options.seed,
    routing: gating !== undefined,
  };
  const settings = {
    ...job,
    model: resolve(options.modelPath),
    weights: await weightsOf(options.modelPath),
    images: resolve(imageFolder ?? dirname(questionFile)),
  };
  const restart = options.restart ?? false;
  const store = await AnswerStore.open({ answers: answersFile, gating, questions, settings, restart });
  const open = store.open;
  const resumed = questions.length - open.length;
  if (resumed > 0)
    process.stderr.write(`${count(resumed)} of ${count(questions.length)} questions have answers already\n`);
  let used: Used[];
  try {
    used = await answerOpen(job, open, store, options, resumed);
  } catch (error) {
    await store.close();
    throw error;
  }
  const answers = await store.finish();
  say(options, `${count(answers.length)} answers: ${answersFile}`);
  const scores = numChunks === 1 ? scoresOf(all, answers, options) : null;
  if (scores) say(options, scoreText(scores));
  else if (numChunks > 1)
    say(options, `Score all parts together: ${commandLine("score", "--gt", questionFile, "--pred", "PART...")}`);
  await writeJson(options, {
    version: 1,
    command: "eval med-moe",
    config: { ...job, questions: questionFile, answers: answersFile, numChunks, chunkIdx },
    answered: { total: answers.length, resumed },
    devices: used,
    seconds: (performance.now() - started) / 1000,
    scores: scores && scoreFields(scores),
  });
}

/** By the folder's name, else by the family of its weights. */
function templateBy(folder: string, family: string, json: Readonly<Record<string, unknown>>): Template {
  return templateOf(basename(resolve(folder)), typeof json.model_type === "string" ? json.model_type : family);
}

/** Answers what is open, on one device or with several processes. */
async function answerOpen(
  job: AnswerJob,
  open: readonly Conversation[],
  store: AnswerStore,
  options: Options,
  resumed: number,
): Promise<Used[]> {
  if (open.length === 0) return [];
  const { questionFile, answersFile } = options;
  using interruption = new Interruption("waiting for the device");
  const { signal } = interruption;
  const here = options.devices ? null : await openChosenDevice(options);
  const modelName = basename(resolve(job.model));
  try {
    const answerers: Answerer[] = here
      ? [await openAnswerer(job, here, open, questionFile)]
      : await openProcesses(job, shareOut(options.devices as DeviceName[], options), open, questionFile);
    const progress = new Progress(here).answering(modelName);
    let done = resumed;
    const onAnswer = async (answer: MedMoeAnswer) => {
      await store.add(await answerLine(answer, modelName), answer.routing);
      progress(++done, resumed + open.length);
    };
    const kept = `the answers so far are in ${answersFile}, and the same command goes on from there.`;
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

/** Null where questions have no answers to compare with. */
function scoresOf(questions: readonly Conversation[], answers: readonly AnswerLine[], options: Options) {
  const unknown = questions.filter(({ messages, answerType }) => messages.length < 2 || answerType === undefined);
  if (unknown.length > 0) {
    say(
      options,
      `No scores: ${count(unknown.length)} of ${count(questions.length)} questions lack an answer or "answer_type".`,
    );
    return null;
  }
  const files = { questions: options.questionFile, answers: options.answersFile };
  const text = answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
  return scoreMedMoe(pairAnswers(questions, parseAnswers(text, options.answersFile), files));
}
