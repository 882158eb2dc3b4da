/** The public API of the models. */
export { ImageStore } from "./data/image-store.js";
export type { VqaRecord } from "./data/record.js";
export { majorityBaselines } from "./eval/majority.js";
export { marks, type Scores, score } from "./eval/metrics.js";
export { type Comparison, comparePaired } from "./eval/paired.js";
export { formatResults } from "./eval/results.js";
export { countParameters } from "./miss/adaptation.js";
export type { LoadReport } from "./miss/checkpoint.js";
export { type MissConfig, type Preset, presets } from "./miss/config.js";
export { answersOf, type DataSplits, loadSplits } from "./miss/datasets.js";
export { MissVqa } from "./miss/miss-vqa.js";
export { type ModelFolder, readModelFolder } from "./miss/model-folder.js";
export type { Answering, Prediction } from "./miss/predict.js";
export { RunConfig, type RunConfigInput } from "./miss/run-config.js";
export { train as trainMiss } from "./miss/train.js";
export type { TrainEvent, TrainOptions, TrainResult } from "./miss/train-options.js";
export { openState, RUN_FILE } from "./miss/train-state.js";
export { type VerifyReport, verify as verifyMiss } from "./miss/verify/verify.js";
