import type { RunConfigInput } from "../../../models/index.js";
import { vqaRadFolder } from "../package-files.js";
import { type Departure, departuresOf } from "./departures.js";

/** A stage of the demo: what is trained, and which controls are measured beside it. */
export interface StageSettings {
  readonly name: "organ" | "vqa-rad-lora";
  readonly title: string;
  readonly about: string;
  readonly run: RunConfigInput;
}

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
  epochs: 12,
  batch: 32,
  lr: 1e-3,
  warmupSteps: 50,
  // The text modules are trained in full: the first stage saw a handful of words, the others are still random.
  adaptation: { vit: "lora", jtm: "T", dec: "T", rank: 8, alpha: 32, dropout: 0 },
  answering: { method: "rank", k: 16, maskQuestionPads: true },
  validation: 0.1,
  validateEvery: 4,
};

export const demoStages: readonly StageSettings[] = [
  {
    name: "organ",
    title: "From scratch: which part of the body does the image show?",
    about:
      "Starting from random weights, the model learns to name the part of the body from 250 images, three questions each. " +
      "It is tested on 64 images that it has never seen: only what it sees can help, since the questions are the same for all. " +
      "Its control, trained as long on grey squares, starts from random weights too.",
    run: organ,
  },
  {
    name: "vqa-rad-lora",
    title: "Tuned with adapters in the vision part, text parts in full: the questions of VQA-RAD",
    about:
      "The model starts from the weights of the first stage. Its vision part is frozen and gets low-rank adapters (LoRA); the " +
      "text parts, which know only the words of the first stage, are trained in full. Adapters in all three parts would leave " +
      "the embeddings of all other words random: tried with one seed and five times the learning rate, 1 of the 200 open " +
      "questions was right, fewer than the most common answer gets. The checkpoint is chosen on training images that were held " +
      "back. It is tested on the official 451 test questions. All their images also occur in training, with other questions, and " +
      "much can be guessed from the question alone: compare with the control, not with chance. The control starts from the same " +
      "weights, which saw images in the first stage, and is trained as long on grey squares.",
    run: lora,
  },
];

/** A run of seconds that shows nothing but that the parts work together. */
export const fastStages: readonly StageSettings[] = demoStages.map((stage) => ({
  ...stage,
  about: "A smoke run on 24 images: it shows that the parts work together, and nothing else.",
  run: {
    ...stage.run,
    data: { set: stage.name === "organ" ? "organ-smoke" : "vqa-rad-smoke", folder: vqaRadFolder },
    epochs: 2,
    warmupSteps: 2,
  },
}));

const SIZES = ["imageSize", "patch", "visionWidth", "visionDepth", "visionHeads", "visionMlp"];
const TEXT_SIZES = ["hidden", "layers", "heads", "intermediate", "maxPositions"];

/** Why the demo leaves the published pipeline. A setting that no line names is as published. */
const reasons: readonly (readonly [keys: readonly string[], why: string])[] = [
  [["preset", ...SIZES, ...TEXT_SIZES], "minutes on two cores instead of days on a GPU"],
  [["initializerRange"], "at this width smaller weights hide the image from the answer, and little is learnt for long"],
  [["vocabulary"], "only the word pieces of the training texts, for a model of this size"],
  [["scaling"], "pixels to [-1, 1]; the published code divides by 255 twice"],
  [["epochs"], "enough for so small a model; the configuration for VQA-RAD has 150"],
  [["schedule", "warmupSteps"], "with few and large steps; the published code sets its cosine once an epoch"],
  [["batch", "lr", "clipNorm"], "for random weights; the published ones are for a pretrained model"],
  [["dropout", "dropPath", "adaptation.dropout"], "so short a run of so small a model does not overfit in its weights"],
  [
    ["adaptation.vit", "adaptation.jtm", "adaptation.dec"],
    "MISS trains all parts; in the second stage the vision part has adapters (LoRA, as in MILE), the text parts are trained in full",
  ],
  [
    ["answering.method", "answering.k"],
    "the answer is chosen from those of the training questions; the published code writes freely",
  ],
  [["answering.maskQuestionPads"], "the decoder does not see the question's padding; the published code lets it"],
  [
    ["validation", "validateEvery"],
    "in the second stage the checkpoint is chosen on held-back training images; the published code takes the last",
  ],
];

/** Where the demo leaves the published pipeline, found by comparing settings; and what it starts from, which is none. */
export function departures(stages: readonly StageSettings[]): Departure[] {
  const start = "no pretrained weights were ever published";
  return [
    ["starting weights: random, then those of the first stage (published: pretrained)", start],
    ...departuresOf(
      stages.map((stage) => stage.run),
      reasons,
    ),
  ];
}
