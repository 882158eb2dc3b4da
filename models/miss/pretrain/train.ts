import { platform } from "#platform";
import { io, nn, OptionError } from "../../../engine/index.js";
import { sameTable } from "../../data/unchanged.js";
import { countParameters } from "../../peft/trainable.js";
import { logged, RunLog } from "../../training/log/run-log.js";
import { owning } from "../../training/owned.js";
import { hasRunFile, writeRunFile } from "../../training/run-file.js";
import { sameConfig, stateFile } from "../../training/run-state.js";
import { checkConfig, type MissConfig, presets } from "../config.js";
import { type ModelFolder, readModelFolder, writeModelFolder } from "../model-folder.js";
import { MissTokenizer } from "../tokenizer.js";
import { loadVocabulary, reduceVocabulary } from "../vocabulary.js";
import { type CaptionRow, loadCaptions } from "./captions.js";
import { loadPretrainNetwork } from "./checkpoint.js";
import { PretrainNetwork } from "./network.js";
import { PretrainRun } from "./run.js";
import { PretrainConfig } from "./run-config.js";
import { openPretrainState } from "./run-state.js";
import type { PretrainOptions, PretrainResult } from "./train-options.js";

/**
 * Pre-trains MISS on images and captions. Same config, device and SIMD target give the same bits, also across a stop and a
 * resume.
 */
export async function pretrain(given: PretrainConfig, options: PretrainOptions): Promise<PretrainResult> {
  const { device, out, signal } = options;
  checkBatch(given, device.name);
  const { rows, sha256 } = await loadCaptions(given.data);
  sameTable(given.data.file, sha256, given.data.sha256);
  if (rows.length < given.batch)
    throw new OptionError(
      `\`batch\` is ${given.batch}, but ${given.data.file} has ${rows.length} images. Use a smaller one.`,
    );
  const config = PretrainConfig.parse({ ...given, data: { ...given.data, sha256 } });
  signal?.throwIfAborted();
  const folder = await modelOf(config, rows, options.bertVocabulary);

  const saved = options.resume && (await platform.exists(stateFile(out))) ? await openPretrainState(out) : null;
  try {
    if (saved) sameConfig(saved.state.config, config, stateFile(out));
    else {
      await refuseModel(out, options.resume ?? false);
      await writeRunFile(out, config);
      await writeModelFolder(out, folder);
    }
    const running = logged(options, await RunLog.open(out, saved && { ...saved.state, validations: [] }));
    const { onEvent } = running;
    const network = await startingNetwork(config, folder, running, saved !== null);
    const run = owning(network, () => new PretrainRun(config, running, rows, folder, network));
    try {
      await run.restore(saved);
      const resumedAt = run.state.step;
      const parameters = countParameters(network);
      onEvent?.({ type: "ready", ...parameters, steps: run.steps, rows: rows.length, unit: "pairs", resumedAt });
      const interrupted = await run.loop();
      const { history, state } = run;
      return { config, interrupted, history, validations: [], parameters, steps: state.step, resumedAt };
    } finally {
      await run.close();
    }
  } finally {
    await saved?.reader.close();
    device.pool.trim();
  }
}

/** Throws OptionError for sizes that the queues or the device do not take. */
function checkBatch({ batch, queue, precision }: PretrainConfig, device: string): void {
  if (queue % batch !== 0) {
    const [below, above] = [queue - (queue % batch), queue - (queue % batch) + batch];
    throw new OptionError(
      `\`queue\` ${queue} is not a multiple of \`batch\` ${batch}: each step overwrites the next ${batch} features of the queue, ` +
        `and must come out even at its end. Use ${below > 0 ? `${below} or ${above}` : above}, or another batch.`,
    );
  }
  if (precision === "bf16" && device === "webgpu")
    throw new OptionError("precision bf16: webgpu multiplies in f32 and f16 only. Use f16, or the cpu device.");
}

/** A model that no run can go on from is not written over. A run that stopped before its first checkpoint may start again. */
async function refuseModel(out: string, resume: boolean): Promise<void> {
  const begun = resume && (await hasRunFile(out));
  if (!begun && (await platform.exists(`${out}/model.safetensors`)))
    throw new OptionError(
      `${out} holds a model already, and no checkpoint to go on from. Choose another folder, or remove this one first.`,
    );
}

/** Image side of the published pre-training. */
const PUBLISHED_SIDE = 224;

/** The model that is pre-trained: that of `init` where it is a model folder, else the preset with its vocabulary. */
async function modelOf(run: PretrainConfig, rows: readonly CaptionRow[], bertVocabulary: string): Promise<ModelFolder> {
  const base = run.init && (await platform.exists(`${run.init}/config.json`)) ? await readModelFolder(run.init) : null;
  const pieces = base?.pieces ?? (await vocabularyOf(run, rows, bertVocabulary));
  const { pad, sep, dec, enc, size: vocab } = new MissTokenizer(pieces);
  const sizes: MissConfig = base?.config ?? presets[run.preset];
  const config: MissConfig = {
    ...sizes,
    imageSize: run.imageSize ?? Math.min(sizes.imageSize, PUBLISHED_SIDE),
    ...{ vocab, pad, sep, dec, enc },
    hiddenDropout: run.dropout,
    attentionDropout: run.dropout,
    dropPath: run.dropPath,
  };
  checkConfig(config);
  if (run.checkpointBlocks > config.visionDepth)
    throw new OptionError(`\`checkpointBlocks\` is ${run.checkpointBlocks}, the ViT has ${config.visionDepth} blocks.`);
  if (run.captionLength > config.maxPositions)
    throw new OptionError(
      `\`captionLength\` ${run.captionLength} does not fit into the model's ${config.maxPositions} positions. Use a smaller one.`,
    );
  const answering = { method: "generate", beams: 3, maxLength: 10, maskQuestionPads: false } as const;
  return { config, scaling: run.scaling, answering, pieces };
}

async function vocabularyOf({ vocabulary }: PretrainConfig, rows: readonly CaptionRow[], file: string) {
  const full = await loadVocabulary(file);
  if (vocabulary === "full") return full;
  const tokenizer = new MissTokenizer(full);
  const used = new Set(rows.flatMap(({ captions }) => captions.flatMap((text) => tokenizer.pieces(text))));
  return reduceVocabulary(full, used);
}

async function startingNetwork(
  config: PretrainConfig,
  folder: ModelFolder,
  { device, onEvent }: PretrainOptions,
  resumed: boolean,
): Promise<PretrainNetwork> {
  const { embedding, queue, seed, batch, checkpointBlocks } = config;
  const network = new PretrainNetwork(new nn.Initializer(device, seed), folder.config, { embedding, queue });
  network.visual_encoder.checkpointBlocks = checkpointBlocks;
  if (!config.init || resumed) return network;
  try {
    await using reader = await io.openCheckpoint(config.init);
    const report = await loadPretrainNetwork(network, reader, { partial: true });
    onEvent?.({ type: "loaded", file: reader.file, report });
    // A pointer of other batches would run over the end.
    network.queuePointer -= network.queuePointer % batch;
    return network;
  } catch (error) {
    network.dispose();
    throw error;
  }
}
