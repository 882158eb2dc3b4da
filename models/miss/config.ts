/** Sizes and rules of a MISS model (paper sizes: section 1 of the MISS paper; med_config.json of the published code). */
export interface MissConfig {
  /** Side of the square image in pixels; `patch` divides it. */
  imageSize: number;
  patch: number;
  visionWidth: number;
  visionDepth: number;
  visionHeads: number;
  visionMlp: number;
  visionEps: number;
  /** Width of both text modules. */
  hidden: number;
  /** Layers of each text module. */
  layers: number;
  heads: number;
  intermediate: number;
  textEps: number;
  vocab: number;
  maxPositions: number;
  /** Ids of [PAD], [SEP] (the end of an answer), [DEC] (its start) and [ENC] (the start of a question). */
  pad: number;
  sep: number;
  dec: number;
  enc: number;
  labelSmoothing: number;
  hiddenDropout: number;
  attentionDropout: number;
  /** Rate of the last vision block; earlier ones rise to it linearly from 0. */
  dropPath: number;
  /** Standard deviation of initial weights: 0.02 as published, where no width is small. */
  initializerRange: number;
}

/** What of a model's sizes does not fit together. */
export function misfits(sizes: MissConfig): string[] {
  const divisors = [
    ["imageSize", "patch"],
    ["visionWidth", "visionHeads"],
    ["hidden", "heads"],
  ] as const;
  return divisors.flatMap(([whole, part]) =>
    sizes[whole] % sizes[part] === 0 ? [] : [`${whole} ${sizes[whole]} is not a multiple of ${part} ${sizes[part]}`],
  );
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

/** `base` is the published model: 361,478,972 parameters at 480 pixels. */
export const presets = {
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
} as const satisfies Record<string, MissConfig>;

export type Preset = keyof typeof presets;
