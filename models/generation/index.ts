/** Generation of text with any decoder: a cache, a choice of tokens, an end, pieces of text. */
export {
  type Finish,
  type Generated,
  type GenerateOptions,
  generate,
  NotANumberError,
  type Prompt,
  streamText,
  type Token,
  type TokensOptions,
  tokens,
} from "./generate.js";
export type { Cache, LanguageModel, Step } from "./language-model.js";
export { type Candidates, candidates, checkSampling, pick, probabilities, type SamplingOptions } from "./sampling.js";
export { StopStrings, type TokenText } from "./stop-strings.js";
export { TextStream } from "./text-stream.js";
