import { z } from "zod";
import { io } from "../../engine/index.js";

import { CHANNELS, ordinaryScaling, publishedScaling, type Scaling } from "../images/scaling.js";
import { writeText } from "./checkpoint.js";
import { type MissConfig, misfits } from "./config.js";
import type { Answering } from "./predict.js";
import { MissTokenizer } from "./tokenizer.js";
import { formatVocabulary, parseVocabulary } from "./vocabulary.js";

/**
 * A folder with a model: config.json (sizes, image scaling, how it answers), vocab.txt, model.safetensors.
 */
export interface ModelFolder {
  readonly config: MissConfig;
  readonly scaling: ScalingName;
  readonly answering: Answering;
  readonly pieces: readonly string[];
}

export type ScalingName = "published" | "ordinary";

export const scalings: Readonly<Record<ScalingName, Scaling>> = {
  published: publishedScaling,
  ordinary: ordinaryScaling(CHANNELS.half),
};

const size = z.int().positive();
const rate = z.number().min(0).max(1);

const schema = z.strictObject({
  format: z.literal(1),
  model: z.strictObject({
    imageSize: size,
    patch: size,
    visionWidth: size,
    visionDepth: size,
    visionHeads: size,
    visionMlp: size,
    visionEps: z.number(),
    hidden: size,
    layers: size,
    heads: size,
    intermediate: size,
    textEps: z.number(),
    vocab: size,
    maxPositions: size,
    pad: z.int(),
    sep: z.int(),
    dec: z.int(),
    enc: z.int(),
    labelSmoothing: rate,
    hiddenDropout: rate,
    attentionDropout: rate,
    dropPath: rate,
    initializerRange: z.number().positive(),
  }),
  scaling: z.enum(["published", "ordinary"]),
  answering: z.discriminatedUnion("method", [
    z.strictObject({ method: z.literal("generate"), beams: size, maxLength: size, maskQuestionPads: z.boolean() }),
    z.strictObject({
      method: z.literal("rank"),
      answers: z.array(z.string()).min(1),
      k: size,
      maskQuestionPads: z.boolean(),
    }),
  ]),
});

const NEEDED =
  "A model is a folder with config.json, vocab.txt and model.safetensors, as `consilium train miss --out` writes it: check the path";

export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const path = `${folder}/config.json`;
  const { model, scaling, answering } = io.parseWith(schema, io.parseJson(await io.readText(path, NEEDED), path), path);
  const vocabulary = `${folder}/vocab.txt`;
  const pieces = parseVocabulary(await io.readText(vocabulary, NEEDED), vocabulary);
  const wrong = misfits(model);
  const { size } = new MissTokenizer(pieces);
  if (size !== model.vocab) wrong.push(`vocab is ${model.vocab}, but vocab.txt makes ${size}`);
  if (wrong.length) throw new io.FileFormatError(path, wrong.join("; "), "Take the folder as it was written");
  return { config: model, scaling, answering, pieces };
}

/** Writes config.json and vocab.txt; the weights come when there are some. */
export async function writeModelFolder(
  folder: string,
  { config, scaling, answering, pieces }: ModelFolder,
): Promise<void> {
  await writeText(`${folder}/vocab.txt`, formatVocabulary(pieces));
  await writeText(
    `${folder}/config.json`,
    `${JSON.stringify({ format: 1, model: config, scaling, answering }, null, 2)}\n`,
  );
}
