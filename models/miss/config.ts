import { OptionError } from "../../engine/index.js";

/** Questions keep at most this many ids, `[ENC]` and `[SEP]` included. */
export const QUESTION_LENGTH = 35;

/** Sizes and rules of a MISS model (paper sizes: section 1 of the MISS paper; med_config.json of the published code). */
export interface MissConfig {
  /** Side of the square image in pixels; `patch` divides it. */
  imageSize: number;
  /** Side of a patch in pixels. */
  patch: number;
  /** Width of the vision encoder. */
  visionWidth: number;
  /** Its blocks. */
  visionDepth: number;
  /** Its heads; they divide its width. */
  visionHeads: number;
  /** Inner width of its MLPs. */
  visionMlp: number;
  /** Of its layer norms. */
  visionEps: number;
  /** Width of both text modules. */
  hidden: number;
  /** Layers of each text module. */
  layers: number;
  /** Heads of the text modules; they divide `hidden`. */
  heads: number;
  /** Inner width of their MLPs. */
  intermediate: number;
  /** Of their layer norms. */
  textEps: number;
  /** Rows of the word embedding. */
  vocab: number;
  /** Tokens of a text at most. */
  maxPositions: number;
  /** Ids of [PAD], [SEP] (the end of an answer), [DEC] (its start) and [ENC] (the start of a question). */
  pad: number;
  /** The end of an answer. */
  sep: number;
  /** The start of an answer. */
  dec: number;
  /** The start of a question. */
  enc: number;
  /** Of the answer's loss. */
  labelSmoothing: number;
  /** Probability, in the text modules. */
  hiddenDropout: number;
  /** Probability, of the text modules' attention weights. */
  attentionDropout: number;
  /** Rate of the last vision block; earlier ones rise to it linearly from 0. */
  dropPath: number;
  /** Standard deviation of initial weights: 0.02 as published, where no width is small. */
  initializerRange: number;
}

const common = {
  visionEps: 1e-6,
  textEps: 1e-12,
  vocab: 30524,
  maxPositions: 512,
  pad: 0,
  sep: 102,
  dec: 30522,
  enc: 30523,
  labelSmoothing: 0.1,
  hiddenDropout: 0.1,
  attentionDropout: 0.1,
  dropPath: 0.1,
  initializerRange: 0.02,
};

/** Sizes by name. */
export type Preset = "tiny" | "small" | "base";

/** `base` is the published model: 361,478,972 parameters at 480 pixels. */
export const presets: Readonly<Record<Preset, Readonly<MissConfig>>> = {
  tiny: {
    ...common,
    imageSize: 64,
    patch: 8,
    visionWidth: 64,
    visionDepth: 4,
    visionHeads: 4,
    visionMlp: 256,
    hidden: 64,
    layers: 2,
    heads: 4,
    intermediate: 256,
    maxPositions: 64,
    // At width 64, 0.02 leaves a thousandth of the image's signal after two cross-attentions: nothing is learnt for long.
    initializerRange: 0.1,
  },
  small: {
    ...common,
    imageSize: 224,
    patch: 16,
    visionWidth: 384,
    visionDepth: 12,
    visionHeads: 6,
    visionMlp: 1536,
    hidden: 384,
    layers: 6,
    heads: 6,
    intermediate: 1536,
  },
  base: {
    ...common,
    imageSize: 480,
    patch: 16,
    visionWidth: 768,
    visionDepth: 12,
    visionHeads: 12,
    visionMlp: 3072,
    hidden: 768,
    layers: 12,
    heads: 12,
    intermediate: 3072,
  },
};

/** Throws OptionError with everything about these sizes that does not fit together. */
export function checkConfig(c: MissConfig): void {
  const wrong: string[] = [];
  const divides = (part: "patch" | "visionHeads" | "heads", whole: "imageSize" | "visionWidth" | "hidden") => {
    if (c[whole] % c[part] !== 0) wrong.push(`${whole} ${c[whole]} is not a multiple of ${part} ${c[part]}`);
  };
  divides("patch", "imageSize");
  divides("visionHeads", "visionWidth");
  divides("heads", "hidden");
  for (const id of ["pad", "sep", "dec", "enc"] as const)
    if (!(c[id] >= 0 && c[id] < c.vocab)) wrong.push(`${id} ${c[id]} is not below vocab ${c.vocab}`);
  if (c.maxPositions < QUESTION_LENGTH)
    wrong.push(`maxPositions ${c.maxPositions} is less than the ${QUESTION_LENGTH} ids of a question`);
  if (wrong.length) throw new OptionError(`The sizes of the model do not fit together: ${wrong.join("; ")}.`);
}
