import { z } from "zod";
import { io, OptionError } from "../../engine/index.js";
import { writeJson, writeText } from "../files/write.js";
import { CHANNELS, ordinaryScaling, publishedScaling, type Scaling } from "../images/scaling.js";
import { modelFamily } from "../model-family.js";
import { ROOTS, type Root } from "./adaptation.js";
import { checkAnswering } from "./answer-length.js";
import { checkConfig, type MissConfig } from "./config.js";
import type { Answering } from "./predict.js";
import { MissTokenizer } from "./tokenizer.js";
import { formatVocabulary, loadVocabulary } from "./vocabulary.js";

/**
 * A folder with a model: config.json (sizes, image scaling, how it answers), vocab.txt, model.safetensors; adapters in the
 * layout of Hugging Face's peft where config.json names some: `adapter/text_decoder` and so on.
 */
export interface ModelFolder {
  /** Sizes. */
  readonly config: MissConfig;
  /** How pixels become numbers. */
  readonly scaling: ScalingName;
  /** How it answers where nothing else is asked for. */
  readonly answering: Answering;
  /** The vocabulary: place = id. */
  readonly pieces: readonly string[];
  /** Modules that have an adapter beside the weights, in the folder `adapter`. Absent: none. */
  readonly adapters?: readonly Root[];
}

/** published: pixels divided by 255 twice. ordinary: to [-1, 1]. clip: by CLIP's means and deviations, as BLIP takes them. */
export type ScalingName = "published" | "ordinary" | "clip";

export const scalings: Readonly<Record<ScalingName, Scaling>> = {
  published: publishedScaling,
  ordinary: ordinaryScaling(CHANNELS.half),
  clip: ordinaryScaling(CHANNELS.clip),
};

const size = z.int().positive();
/** Of layers, which are made one by one; of the side of an image, for which positions are interpolated. */
const [depth, side] = [size.max(1000), size.max(4096)];
const rate = z.number().min(0).max(1);

const schema = z.strictObject({
  format: z.literal(1),
  model: z.strictObject({
    imageSize: side,
    patch: size,
    visionWidth: size,
    visionDepth: depth,
    visionHeads: size,
    visionMlp: size,
    visionEps: z.number(),
    hidden: size,
    layers: depth,
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
  scaling: z.enum(["published", "ordinary", "clip"]),
  answering: z.discriminatedUnion("method", [
    z.strictObject({
      method: z.literal("generate"),
      beams: size,
      maxLength: size,
      minLength: z.int().min(0).optional(),
      maskQuestionPads: z.boolean(),
    }),
    z.strictObject({
      method: z.literal("rank"),
      answers: z.array(z.string()).min(1),
      k: size,
      maskQuestionPads: z.boolean(),
    }),
  ]),
  adapters: z.array(z.enum(ROOTS)).optional(),
});

const NEEDED =
  "A model is a folder with config.json, vocab.txt and model.safetensors, as `consilium train miss --out` writes it: check the path";

/** Reads config.json and vocab.txt of a model's folder. Throws FileError or FileFormatError with all that is wrong. */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const path = `${folder}/config.json`;
  const json = io.parseJson(await io.readText(path, NEEDED), path);
  if (modelFamily(json) === "med-moe")
    throw new io.FileFormatError(
      path,
      "it is that of a Med-MoE model, which is another family",
      "Ask it by MedMoe, `consilium chat` or `consilium eval med-moe`",
    );
  const { model, scaling, answering, adapters } = io.parseWith(schema, json, path);
  const pieces = await loadVocabulary(`${folder}/vocab.txt`, NEEDED);
  try {
    checkConfig(model);
    // What is in front of the answers shows when the adapters are read.
    checkAnswering(model, answering, 0);
    checkVocabulary(model, pieces);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new io.FileFormatError(
      path,
      cause.message.replace(/\.$/, ""),
      "Correct it, or copy the model's folder anew",
      {
        cause,
      },
    );
  }
  return { config: model, scaling, answering, pieces, ...(adapters && { adapters }) };
}

/** Throws OptionError where vocab.txt is not the one that the model was trained with. */
function checkVocabulary(model: MissConfig, pieces: readonly string[]): void {
  const tokenizer = new MissTokenizer(pieces);
  if (tokenizer.size !== model.vocab)
    throw new OptionError(
      `vocab.txt gives ${tokenizer.size} pieces, [DEC] and [ENC] included; vocab is ${model.vocab}.`,
    );
  for (const id of ["pad", "sep", "dec", "enc"] as const)
    if (tokenizer[id] !== model[id])
      throw new OptionError(`${id} is ${model[id]}, but [${id.toUpperCase()}] of vocab.txt is ${tokenizer[id]}.`);
}

/** Writes config.json and vocab.txt; the weights come when there are some. */
export async function writeModelFolder(
  folder: string,
  { config, scaling, answering, pieces, adapters = [] }: ModelFolder,
): Promise<void> {
  await writeText(`${folder}/vocab.txt`, formatVocabulary(pieces));
  await writeJson(`${folder}/config.json`, {
    format: 1,
    model: config,
    scaling,
    answering,
    ...(adapters.length > 0 && { adapters }),
  });
}
