import type { RunConfigInput } from "../../models/index.js";
import { vqaRadFolder } from "./package-files.js";

/** A stage of the demo: what is trained, and which controls are measured beside it. */
export interface StageSettings {
  readonly name: "organ" | "vqa-rad-lora";
  readonly title: string;
  readonly about: string;
  readonly run: RunConfigInput;
  /**
   * Also train the same model on grey squares, to see what the question alone gives, for so many epochs; 0 is none. Fewer
   * than the model's own will do: without an image there is little to learn.
   */
  readonly questionOnlyEpochs: number;
}

/** Where the demo leaves the published pipeline, and why. Everything else is as published. */
export const departures: readonly (readonly [setting: string, why: string])[] = [
  ["preset: tiny", "64 pixels, width 64, 4 vision and 2 text layers: minutes on two cores instead of days on a GPU"],
  ["vocabulary: reduced", "only the word pieces of the training texts, for a model of this size"],
  ["scaling: ordinary", "pixels to [-1, 1]; the published code divides by 255 twice"],
  ["schedule: step, with warm-up", "the published code sets its cosine once an epoch, without warm-up"],
  ["dropout: 0, dropPath: 0", "so short a run of so small a model does not overfit in its weights; published: 0.1"],
  [
    "lr: 1e-3, batch: 16 and 32, clipNorm: 1",
    "for random weights; published: a pretrained model at 2e-5, batches of 20, no clipping",
  ],
  ["answering: rank", "the answer is chosen from those of the training questions; the published code writes freely"],
  ["answering.maskQuestionPads: true", "the decoder does not see the question's padding; the published code lets it"],
];

const common = {
  preset: "tiny",
  vocabulary: "reduced",
  scaling: "ordinary",
  schedule: "step",
  batch: 16,
  dropout: 0,
  dropPath: 0,
  weightDecay: 0.05,
  clipNorm: 1,
  images: "real",
} as const satisfies Partial<RunConfigInput>;

const organ: RunConfigInput = {
  ...common,
  data: { set: "organ", folder: vqaRadFolder },
  epochs: 20,
  lr: 1e-3,
  warmupSteps: 50,
  answering: { method: "rank", k: 5, maskQuestionPads: true },
};

const lora: RunConfigInput = {
  ...common,
  data: { set: "vqa-rad", folder: vqaRadFolder },
  epochs: 6,
  batch: 32,
  lr: 1e-3,
  warmupSteps: 50,
  // The text modules are trained in full: the first stage saw a handful of words, the others are still random.
  adaptation: { vision: "lora", jtm: "train", decoder: "train", r: 8, alpha: 32, dropout: 0 },
  answering: { method: "rank", k: 16, maskQuestionPads: true },
  validation: 0.1,
  validateEvery: 2,
};

export const demoStages: readonly StageSettings[] = [
  {
    name: "organ",
    title: "From scratch: which part of the body does the image show?",
    about:
      "Starting from random weights, the model learns to name the part of the body from 250 images, three questions each. " +
      "It is tested on 64 images that it has never seen: only what it sees can help, since the questions are the same for all.",
    run: organ,
    questionOnlyEpochs: 6,
  },
  {
    name: "vqa-rad-lora",
    title: "Tuned with adapters: the questions of VQA-RAD",
    about:
      "The vision part of the first stage's model is frozen and gets low-rank adapters; the text parts, which know only the " +
      "words of the first stage, are trained. The checkpoint is chosen on training images that were held back. It is tested on " +
      "the official 451 test questions. All their images also occur in training, with other questions, and much can be guessed from the question " +
      "alone: compare with the model that saw grey squares, not with chance.",
    run: lora,
    questionOnlyEpochs: 3,
  },
];

/** A run of seconds that shows nothing but that the parts work together. */
export const fastStages: readonly StageSettings[] = demoStages.map((stage) => ({
  ...stage,
  questionOnlyEpochs: 2,
  run: {
    ...stage.run,
    data: { set: stage.name === "organ" ? "organ-smoke" : "vqa-rad-smoke", folder: vqaRadFolder },
    epochs: 2,
    warmupSteps: 2,
  },
}));
