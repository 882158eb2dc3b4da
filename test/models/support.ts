import { fileURLToPath } from "node:url";
import type { RunConfigInput } from "../../models/index.js";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
export const radiograph = path("data/vqa-rad/images/synpic100132.jpg");
export const bertVocabulary = path("data/tokenizers/bert-base-uncased-vocab.txt");

/** Runs of seconds: 60 questions about 20 images, in 3 steps an epoch when a third of the images is held back. */
export const organSmoke: RunConfigInput = {
  data: { set: "organ-smoke", folder: path("data/vqa-rad") },
  vocabulary: "reduced",
  scaling: "ordinary",
  epochs: 2,
  batch: 16,
  lr: 1e-3,
  answering: { method: "rank", k: 5 },
  validation: 0.3,
  validateEvery: 1,
};
