import { platform } from "#platform";
import { askedOf, type VqaRecord } from "../data/record.js";
import { trainingTexts } from "../data/vqa-rad.js";
import { checkAdaptation, prefixedRoots } from "./adaptation.js";
import { checkAnswering, decoderTokens } from "./answer-length.js";
import { checkConfig, type MissConfig, presets } from "./config.js";
import { answersOf, type DataSplits } from "./datasets.js";
import { type ModelFolder, readModelFolder } from "./model-folder.js";
import type { Answering } from "./predict.js";
import type { RunConfig } from "./run-config.js";
import { MissTokenizer } from "./tokenizer.js";
import { loadVocabulary, reduceVocabulary } from "./vocabulary.js";

/** The model that a run trains: that of `init` where it is a model folder, else the preset with its vocabulary. */
export async function modelOf(run: RunConfig, splits: DataSplits, bertVocabulary: string): Promise<ModelFolder> {
  const base = await baseOf(run);
  const pieces = base?.pieces ?? (await vocabularyOf(run, splits, bertVocabulary));
  const tokens = new MissTokenizer(pieces);
  const { pad, sep, dec, enc, size: vocab } = tokens;
  const config: MissConfig = {
    ...sizesOf(run, base),
    ...{ vocab, pad, sep, dec, enc },
    hiddenDropout: run.dropout,
    attentionDropout: run.dropout,
    dropPath: run.dropPath,
  };
  const answering = answeringOf(run, splits.train);
  checkConfig(config);
  checkAdaptation(config, run.adaptation);
  checkAnswering(config, answering, decoderTokens(run.adaptation));
  return { config, scaling: run.scaling, answering, pieces, adapters: prefixedRoots(run.adaptation) };
}

/** The model that a run starts from; null where that is a file, or nothing. */
const baseOf = async ({ init }: RunConfig): Promise<ModelFolder | null> =>
  init && (await platform.exists(`${init}/config.json`)) ? readModelFolder(init) : null;

function sizesOf({ preset, imageSize }: RunConfig, base: ModelFolder | null): MissConfig {
  const sizes = base?.config ?? presets[preset];
  return { ...sizes, imageSize: imageSize ?? sizes.imageSize };
}

/**
 * Throws OptionError where a run's model has sizes that do not fit together, or where a method does not go with them: what shows without the
 * questions of the run.
 */
export async function checkModel(run: RunConfig): Promise<void> {
  const sizes = sizesOf(run, await baseOf(run));
  checkConfig(sizes);
  checkAdaptation(sizes, run.adaptation);
}

function answeringOf({ answering }: RunConfig, train: readonly VqaRecord[]): Answering {
  const { method, beams, maxLength, k, maskQuestionPads } = answering;
  if (method === "generate") return { method, beams, maxLength, maskQuestionPads };
  return { method, answers: answersOf(train), k, maskQuestionPads };
}

/**
 * reduced: the pieces of the training texts. The questions of `organ` and `vqa-rad` share a folder and one vocabulary, so
 * that a model trained on one can be tuned on the other.
 */
async function vocabularyOf({ data, vocabulary }: RunConfig, splits: DataSplits, file: string): Promise<string[]> {
  const full = await loadVocabulary(file);
  if (vocabulary === "full") return full;
  const texts = data.set === "slake" || data.set === "table" ? splits.train : await trainingTexts(data.folder);
  const tokenizer = new MissTokenizer(full);
  const used = new Set<string>();
  for (const { question, answer } of texts.flatMap(askedOf))
    for (const text of [question, answer.trim()]) for (const piece of tokenizer.pieces(text)) used.add(piece);
  return reduceVocabulary(full, used);
}
