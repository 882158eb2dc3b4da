/** The public API of the models. */

export { CLIP_VIT_L_14_336, type ClipVisionConfig } from "./clip/config.js";
export type { ClipFeature } from "./clip/vision.js";
export {
  Augmentation,
  type AugmentationInput,
  augmentationNames,
  augmentImage,
  augmentText,
  BLIP_AUGMENTATIONS,
} from "./data/augment/augmentation.js";
export type { Balance, CommonAnswer } from "./data/balance.js";
export type { CheckOptions, Count, DataSummary } from "./data/check.js";
export { type Conversation, formatConversations } from "./data/conversation-form.js";
export {
  asConversation,
  type ConversationOptions,
  loadConversations,
  loadQuestionFiles,
} from "./data/conversations.js";
export { ImageStore } from "./data/image-store.js";
export { formatInstructions, type Instruction, type InstructionOptions, instructionsOf } from "./data/instructions.js";
export { type LabelledImage, loadImageList } from "./data/labelled-images.js";
export { countsOf, type Evaluated, type Leak, type LeakedRow, leakedRows, leakText, type Shared } from "./data/leak.js";
export { type Problem, type ProblemKind, refuseProblems } from "./data/problem.js";
export {
  type FormHelp,
  formAugmentations,
  type PublishedForm,
  publishedForms,
  publishedFormsHelp,
} from "./data/published.js";
export type { AnswerType, Asked, Part, RowSample, VqaRecord } from "./data/record.js";
export { Sampler } from "./data/sampler.js";
export {
  isTableFile,
  loadTable,
  type ParsedTable,
  parseTable,
  type Table,
  TableColumns,
  type TableOptions,
  type TableRow,
  tableRoles,
} from "./data/table.js";
export type { DecoderConfig } from "./decoder/config.js";
export { Decoder, type DecoderOptions, type DecoderOutput } from "./decoder/decoder.js";
export { KeyValueCache } from "./decoder/key-value-cache.js";
export { type ClassificationScores, type Classified, type ClassScore, scoreClasses } from "./eval/classification.js";
export { type Interval, wilson } from "./eval/intervals.js";
export { type Baseline, type MajorityBaselines, majorityBaselines } from "./eval/majority.js";
export {
  type Answer,
  type AnswerLine,
  answerLine,
  classifiedImages,
  loadAnswers,
  type PairedFiles,
  type PairOptions,
  pairAnswers,
  parseAnswers,
} from "./eval/med-moe/answers.js";
export {
  type AnsweredQuestion,
  type ClosedScores,
  type MedMoeScores,
  type OpenScores,
  type PlainScores,
  publishedTable,
  scoreMedMoe,
  type WrongAnswer,
  wrongAnswers,
} from "./eval/med-moe/scores.js";
export { type Accuracy, marks, type PublishedScores, type Scores, score, type TypeScores } from "./eval/metrics.js";
export { type Comparison, comparePaired } from "./eval/paired.js";
export { type PermutationTest, permutationTest } from "./eval/permutation.js";
export { formatResults } from "./eval/results.js";
export * from "./generation/index.js";
export type { Row as VerifyRow } from "./golden/comparison.js";
export type { Missed, VerifyOptions, VerifyReport } from "./golden/report.js";
export { type ImageSource, imagePixels, readImage, readStack } from "./images/load-image.js";
export type { RgbImage } from "./images/resize.js";
export type { Scaling } from "./images/scaling.js";
export {
  type AnswerAllOptions,
  type AnswerSettings,
  MAX_NEW_TOKENS,
  type MedMoeAnswer,
  MedMoeAnswerer,
  QuestionError,
} from "./med-moe/asking/answerer.js";
export type { ChatEnd, ChatOptions } from "./med-moe/asking/chat.js";
export { ChatMemory } from "./med-moe/asking/chat-memory.js";
export { CLASS_QUESTION, classNames, classOf, classQuestion, namedClass } from "./med-moe/asking/classes.js";
export { type LanguageModelOptions, languageModel } from "./med-moe/asking/language-model.js";
export { chunkOf, questionText } from "./med-moe/asking/question.js";
export {
  type Family,
  type MedMoeConfig,
  type MoeConfig,
  moeLayers,
  readMedMoeConfig,
  type VisionConfig,
} from "./med-moe/folder/config.js";
export { MOE_MODES, type MoeMode } from "./med-moe/folder/config-fields.js";
export { countMedMoe, type MedMoeCount } from "./med-moe/folder/count.js";
export { describeMedMoe, type MedMoeDescription, type Reached } from "./med-moe/folder/describe.js";
export { type ExportedMedMoe, exportMedMoe, type MedMoeExportOptions } from "./med-moe/folder/export.js";
export { initMedMoe, isQuantizable, type MedMoeInitOptions } from "./med-moe/folder/init.js";
export { type LoadedMedMoe, loadMedMoe, type MedMoeLoadOptions } from "./med-moe/folder/load.js";
export { MED_MOE_PRESETS, type MedMoePreset, type MedMoePresetName } from "./med-moe/folder/presets.js";
export { type MedMoeSaveOptions, type SavedDType, saveMedMoe, saveProjector } from "./med-moe/folder/save.js";
export { type TinyOptions, vocabularyTexts, writeTinyMedMoe } from "./med-moe/folder/tiny.js";
export { missingTower } from "./med-moe/folder/tower.js";
export {
  type Template,
  type TemplateName,
  templateNamed,
  templateNames,
  templateOf,
} from "./med-moe/input/template.js";
export { MedMoe, type MedMoeOptions } from "./med-moe/med-moe.js";
export { type MixtureForm, toMixtures } from "./med-moe/network/mixture.js";
export { type MedMoeLoss, MedMoeNetwork, type Spliced } from "./med-moe/network/network.js";
export { DomainRouter, loadRouter, pooledFeature, saveRouter } from "./med-moe/network/router.js";
export type { Sample } from "./med-moe/network/splice.js";
export { expertShares, type LayerShares } from "./med-moe/routing/expert-shares.js";
export {
  parseRouting,
  type RoutingRecord,
  RoutingRecorder,
  type TokenKind,
  tokenKinds,
} from "./med-moe/routing/routing-record.js";
export {
  type RoutingPath,
  type RoutingSummary,
  summarizeRouting,
  TOKEN_KINDS,
  totalTokens,
} from "./med-moe/routing/routing-summary.js";
export {
  type ConversationData,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  medMoeSets,
} from "./med-moe/training/run-config.js";
export { readMedMoeRun } from "./med-moe/training/run-file.js";
export { type MedMoeStage, medMoeStages, selectTrainable } from "./med-moe/training/stages.js";
export { train as trainMedMoe } from "./med-moe/training/train.js";
export { radByImage } from "./med-moe/training/train-data.js";
export type {
  FoundModel,
  MedMoeTrainEvent,
  MedMoeTrainOptions,
  MedMoeTrainResult,
  MixtureSizes,
  RouterAccuracy,
  RouterResult,
} from "./med-moe/training/train-options.js";
export {
  type MedMoeHistory,
  type MedMoeState,
  type MedMoeValidation,
  openMedMoeState,
} from "./med-moe/training/train-state.js";
export {
  type Adaptation,
  checkAdaptation,
  PARTS,
  type TextMethod,
  textMethods,
  type VisionMethod,
  visionMethods,
} from "./miss/adaptation.js";
export type { Caption, CaptionOptions } from "./miss/caption.js";
export { checkData, type DataCheck, loadDataSet } from "./miss/check-data.js";
export { type MissConfig, type Preset, presets } from "./miss/config.js";
export { countTuned, type TunedCounts } from "./miss/count.js";
export type { DataSet, PartFile, PartTables } from "./miss/data-files.js";
export { answersOf, type DataSplits, loadSplits } from "./miss/datasets.js";
export type { FeatureInput, Features } from "./miss/features.js";
export type { LoadReport } from "./miss/load-parameters.js";
export { type AnswerOptions, MissVqa } from "./miss/miss-vqa.js";
export { type ModelFolder, readModelFolder, type ScalingName } from "./miss/model-folder.js";
export { checkModel } from "./miss/model-of-run.js";
export { type Made, type Maker, ORIGIN_FILE, type Origin, readMade, readOrigin, type Source } from "./miss/origin.js";
export { lastTuning } from "./miss/past.js";
export type { Answering, Prediction } from "./miss/predict.js";
export type { CaptionData } from "./miss/pretrain/captions.js";
export { PretrainConfig, type PretrainConfigInput } from "./miss/pretrain/run-config.js";
export {
  openPretrainState,
  type PretrainHistory,
  type PretrainState,
  readPretrainRun,
} from "./miss/pretrain/run-state.js";
export { pretrain as pretrainMiss } from "./miss/pretrain/train.js";
export type { PretrainEvent, PretrainOptions, PretrainResult } from "./miss/pretrain/train-options.js";
export { loadQuestions, type Questions } from "./miss/questions.js";
export { findLr, fitMemory, type Rehearsal, type RehearsalOptions, rehearse } from "./miss/rehearsal.js";
export {
  earlierNames,
  type FolderData,
  folderSets,
  RunConfig,
  type RunConfigInput,
  type TableData,
} from "./miss/run-config.js";
export { readRun } from "./miss/run-file.js";
export { sameData } from "./miss/same-data.js";
export { train as trainMiss } from "./miss/train.js";
export type { TrainEvent, TrainOptions, TrainResult } from "./miss/train-options.js";
export {
  type History,
  openState,
  type SavedState,
  type State as TrainState,
  type Validation,
} from "./miss/train-state.js";
export { TunedModel } from "./miss/tuned-model.js";
export {
  parseTuningRow,
  type TuningRow,
  type TuningTable,
  tunedBy,
  tuningRowName,
  tuningTables,
} from "./miss/tuning-tables.js";
export { refuseUnfinished } from "./miss/unfinished.js";
export { type ModelFamily, modelFamily } from "./model-family.js";
export type { AdapterConfig } from "./peft/adapter-config.js";
export { adapterNames, setAdapter, withAdapterRows } from "./peft/adapters.js";
export { applyIa3, type Ia3Targets } from "./peft/ia3.js";
export { type LoadAdapterOptions, loadAdapter } from "./peft/load-adapter.js";
export { applyLora } from "./peft/lora.js";
export { adapterLayers, baseParameters, mergeAdapters, unmergeAdapters, withMergedAdapters } from "./peft/merge.js";
export { applyPrefix, type TakesPrefix } from "./peft/prefix.js";
export {
  type LayerPrefix,
  type Prefix,
  type PrefixOptions,
  type PrefixSizes,
  PromptEncoder,
  PromptEncoders,
} from "./peft/prompt-encoder.js";
export { type SaveAdapterOptions, saveAdapter } from "./peft/save-adapter.js";
export type { Targets } from "./peft/targets.js";
export { countParameters, type ParameterCounts, trainablePercent } from "./peft/trainable.js";
export type { Split } from "./text/byte-bpe.js";
export type { Message } from "./text/message.js";
export type { TextTokenizer } from "./text/text-tokenizer.js";
export {
  type LoadedTokenizer,
  loadTokenizer,
  type TokenizerFamily,
  type TokenizerOptions,
} from "./text/tokenizer-folder.js";
export { trainByteBpe, type VocabularyOptions } from "./text/train-byte-bpe.js";
export { LOG_FILE, type LogLine, type StepLine, type ValidationLine } from "./training/log/run-log.js";
export type { LrSweep, SweepOptions } from "./training/lr-finder.js";
export type { MemoryPeak, MemoryPlan } from "./training/memory-plan.js";
export type { RunEvent } from "./training/run-event.js";
export { RUN_FILE } from "./training/run-file.js";
export { verify } from "./verify.js";
