import { createInterface } from "node:readline";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Device, FloatDType } from "../../../engine/index.js";
import { type ChatEnd, imagePixels, MedMoe, templateNamed, templateNames } from "../../../models/index.js";
import { ChatSession } from "../chat/session.js";
import { printable, TALK_HELP, talk } from "../chat/terminal.js";
import {
  addCommonOptions,
  type CommonOptions,
  finiteNumber,
  numberFrom0,
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
import { EXIT, UsageError } from "../terminal/exit.js";
import { Interruption } from "../terminal/interruption.js";
import { memoryUsed, writeJson } from "../terminal/output.js";

interface Options extends CommonOptions, MedMoeModelOptions, MapOptions {
  modelPath: string;
  topKExperts?: "1" | "2";
  dtype: FloatDType;
  imageFile: string[];
  message: string[];
  convMode?: string;
  pad?: boolean;
  temperature: number;
  topK: number;
  topP: number;
  maxNewTokens: number;
  seed: number;
  stop: string[];
}

const ABOUT = `
On a terminal it is a conversation; elsewhere, or with --message, each message (each line of standard input) is a turn, and
standard output gets the answers. Images stand in front of the first message, unless it says <image> where each goes.

On a terminal, ${TALK_HELP}

Examples:
  consilium chat --model-path llavastablelm-1.6b-medmoe --image-file chest.jpg --dtype bf16
  consilium chat --model-path JsST/Med-MoE/stage3 --image-file a.png --image-file b.png --message "Compare these images."
  consilium chat --model-path medmoe --image-file chest.jpg --temperature 0 --json answers.json < questions.txt`;

export function addChat(command: Command): void {
  command.optionsGroup("Model:").requiredOption("--model-path <folder>", "the model: config.json, weights, tokenizer");
  addMapOption(addMedMoeParts(command))
    .addOption(
      new Option("--top-k-experts <n>", "experts of a token (default: as config.json says)").choices(["1", "2"]),
    )
    .addOption(new Option("--dtype <choice>", "type of the weights").choices(["f32", "bf16", "f16"]).default("f32"))
    .optionsGroup("Conversation:")
    .option("--image-file <file>", "an image to talk about; once for each", more, [])
    .option("--message <text>", "say this instead of asking on the terminal; once for each turn", more, [])
    .option("--conv-mode <template>", `${templateNames.join(", ")} (default: by the model's name or family)`)
    .option("--pad", "pad images to squares (default: as the model was tuned)")
    .option("--no-pad", "the opposite: a long side loses its ends")
    .optionsGroup("Answers:")
    .option("--temperature <t>", "0 takes the likeliest token each time", numberFrom0, 0.2)
    .option("--top-k <n>", "choose among that many of the likeliest tokens", positive, 50)
    .option("--top-p <p>", "of these the likeliest until their probabilities sum to p", probability, 1)
    .option("--max-new-tokens <n>", "longest answer", positive, 512)
    .option("--stop <text>", "ends an answer, besides the end of a text; once for each", more, [])
    .option("--seed <n>", "same seed, device and settings: same answers", wholeNumber, 0);
  addCommonOptions(command).addHelpText("after", ABOUT).action(run);
}

const more = (text: string, before: readonly string[]): string[] => [...before, text];

function probability(text: string): number {
  const value = finiteNumber(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("It is a number above 0, at most 1.");
  return value;
}

async function run(options: Options): Promise<void> {
  const { modelPath, topKExperts, dtype, imageFile, message, convMode, pad } = options;
  const onTerminal = message.length === 0 && process.stdin.isTTY;
  if (onTerminal && options.json !== undefined)
    throw new UsageError("--json goes with --message, or with messages on standard input.");
  if (convMode !== undefined) templateNamed(convMode);
  const images = await Promise.all(imageFile.map((file) => imagePixels(file)));
  const { folder, parts } = await medMoePlaces(modelPath, options);
  using device = await openChosenDevice(options);
  const experts = topKExperts && { topK: Number(topKExperts) as 1 | 2 };
  using model = await MedMoe.load(folder, {
    ...parts,
    ...experts,
    device,
    dtype,
    mapped: options.mmap,
    template: convMode,
  });
  const { temperature, topK, topP, maxNewTokens, seed, stop } = options;
  const sampling = { temperature, topK, topP, maxNewTokens, seed, stop };
  using session = new ChatSession(model, { ...sampling, ...(pad !== undefined && { pad }) });
  for (const image of images) session.show(image);
  if (onTerminal) {
    const leave = () => process.exit(EXIT.interrupted);
    await talk(session, { input: process.stdin, output: process.stdout, leave });
    return;
  }
  const turns = await answerAll(session, message.length > 0 ? message : lines(), options);
  if (turns.length === 0) throw new UsageError("there is no message: standard input is empty. Say one by --message.");
  const config = { model: modelPath, template: model.template.name, images: imageFile, dtype, pad, ...sampling };
  await writeJson(options, { version: 1, command: "chat", ...where(device), config, turns, ...memoryUsed(device) });
}

const where = ({ name, description }: Device) => ({ device: { name, description } });

/** One turn for each line that is not blank. */
async function* lines(): AsyncGenerator<string> {
  for await (const line of createInterface({ input: process.stdin })) if (line.trim() !== "") yield line;
}

interface Turn extends ChatEnd {
  readonly message: string;
  readonly answer: string;
  readonly seconds: number;
}

/** Answers go to standard output, a line end behind each. */
async function answerAll(
  session: ChatSession,
  messages: Iterable<string> | AsyncIterable<string>,
  { json }: CommonOptions,
): Promise<Turn[]> {
  using interruption = new Interruption("waiting for the device");
  const stream = json === "-" ? process.stderr : process.stdout;
  const shown = (text: string) => (stream.isTTY ? printable(text) : text);
  const turn = async (message: string): Promise<Turn> => {
    const started = performance.now();
    const pieces: string[] = [];
    const asked = session.ask(message, interruption.signal);
    try {
      for (let next = await asked.next(); ; next = await asked.next()) {
        if (next.done) {
          stream.write("\n");
          const seconds = (performance.now() - started) / 1000;
          return { message, answer: pieces.join(""), ...next.value, seconds };
        }
        pieces.push(next.value);
        stream.write(shown(next.value));
      }
    } catch (error) {
      if (pieces.length > 0) stream.write("\n");
      throw error;
    }
  };
  const turns: Turn[] = [];
  for await (const message of messages) turns.push(await interruption.guard(turn(message), "stopped."));
  return turns;
}
