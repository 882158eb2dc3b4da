import { platform } from "#platform";
import { io, nn, OptionError } from "../../engine/index.js";
import { BLANK } from "../data/image-control.js";
import { ImageStore } from "../data/image-store.js";
import { imageProblems } from "../data/images-present.js";
import { leakText } from "../data/leak.js";
import { refuseProblems } from "../data/problem.js";
import { placeOf, type VqaRecord } from "../data/record.js";
import { readAdapterConfig } from "../peft/adapter-config.js";
import { countParameters } from "../peft/trainable.js";
import { logged, RunLog } from "../training/log/run-log.js";
import { owning } from "../training/owned.js";
import { hasRunFile, writeRunFile } from "../training/run-file.js";
import { sameConfig, stateFile } from "../training/run-state.js";
import { refuseUnvalidated } from "../training/validations.js";
import { adaptersBeside } from "./adapters.js";
import { answerRoom, decoderTokens, refuseLongAnswers } from "./answer-length.js";
import { loadNetwork } from "./checkpoint.js";
import { loadSplits } from "./datasets.js";
import { type ModelFolder, readModelFolder, scalings, writeModelFolder } from "./model-folder.js";
import { modelOf } from "./model-of-run.js";
import { MissNetwork } from "./network.js";
import { Run } from "./run.js";
import { RunConfig } from "./run-config.js";
import { MissTokenizer } from "./tokenizer.js";
import type { TrainOptions, TrainResult } from "./train-options.js";
import { openState } from "./train-state.js";

/** Trains MISS on a data set. Same config, device and SIMD target give the same bits, also across a stop and a resume. */
export async function train(given: RunConfig, options: TrainOptions): Promise<TrainResult> {
  const { device, out } = options;
  const { config, splits, folder } = await prepared(given, options);
  const images = new ImageStore(folder.config.imageSize, scalings[folder.scaling]);
  const saved = options.resume && (await platform.exists(stateFile(out))) ? await openState(out) : null;
  try {
    if (saved) sameConfig(saved.state.config, config, stateFile(out));
    else {
      await refuseModel(out, options.resume ?? false);
      await writeRunFile(out, config);
      await writeModelFolder(out, folder);
    }
    const running = logged(options, await RunLog.open(out, saved?.state ?? null));
    const { onEvent } = running;
    const { leak, unchecked, notices } = splits;
    const notChecked = unchecked ? [`not compared with all that the model was trained on: ${unchecked}`] : [];
    for (const text of [...(leak ? [leakText(leak)] : []), ...notChecked, ...notices])
      onEvent?.({ type: "warning", text });
    // What a saved state holds, adapters too, needs no values before.
    const init = new nn.Initializer(device, config.seed, { empty: saved !== null });
    const network = await startingNetwork(config, folder, init, saved !== null, onEvent);
    const run = owning(network, () => new Run(config, running, splits, folder, images, network, init));
    try {
      await run.restore(saved);
      const resumedAt = run.state.step;
      const parameters = countParameters(run.network);
      onEvent?.({ type: "ready", ...parameters, steps: run.steps, rows: splits.train.length, resumedAt });
      const interrupted = await run.loop();
      const { history, state } = run;
      const { validations, best, step: steps } = state;
      return {
        config,
        leak,
        unchecked,
        notices,
        interrupted,
        history,
        validations,
        best,
        parameters,
        steps,
        resumedAt,
      };
    } finally {
      await run.close();
    }
  } finally {
    await saved?.reader.close();
    device.pool.trim();
  }
}

/** What a run needs before its network: its settings as they are recorded, its questions, its model's sizes. */
export async function prepared(given: RunConfig, options: Pick<TrainOptions, "device" | "signal" | "bertVocabulary">) {
  if (given.precision === "bf16" && options.device.name === "webgpu")
    throw new OptionError("precision bf16: webgpu multiplies in f32 and f16 only. Use f16, or the cpu device.");
  const splits = await loadSplits(given, options.signal);
  const config = RunConfig.parse({ ...given, data: splits.data });
  refuseUnvalidated(splits.validation.length, config);
  const folder = await modelOf(config, splits, options.bertVocabulary);
  if (config.checkpointBlocks > folder.config.visionDepth)
    throw new OptionError(
      `\`checkpointBlocks\` is ${config.checkpointBlocks}, the ViT has ${folder.config.visionDepth} blocks.`,
    );
  const room = answerRoom(folder.config, decoderTokens(config.adaptation));
  refuseLongAnswers(splits.train, new MissTokenizer(folder.pieces), room, dataFile(config));
  await refuseImages([...splits.train, ...splits.validation], config, options.signal);
  return { config, splits, folder };
}

/** Throws one FileFormatError with all images that are none by their headers: they are decoded while the run goes on. */
async function refuseImages(records: readonly VqaRecord[], config: RunConfig, signal?: AbortSignal): Promise<void> {
  const shown = records.filter(({ image }) => image !== BLANK);
  const placed = shown.map((record) => ({ images: [record.image], place: placeOf(record) }));
  refuseProblems(await imageProblems(placed, { signal }), dataFile(config));
}

const dataFile = ({ data }: RunConfig) => (data.set === "table" ? data.file : data.folder);

/** A model that no run can go on from is not written over. A run that stopped before its first checkpoint may start again. */
async function refuseModel(out: string, resume: boolean): Promise<void> {
  const begun = resume && (await hasRunFile(out));
  if (!begun && (await platform.exists(`${out}/model.safetensors`)))
    throw new OptionError(
      `${out} holds a model already, and no checkpoint to go on from. Choose another folder, or remove this one first.`,
    );
}

/** The network before it is adapted: checkpoints have the published names, without adapters. */
export async function startingNetwork(
  config: RunConfig,
  folder: ModelFolder,
  init: nn.Initializer,
  resumed: boolean,
  onEvent: TrainOptions["onEvent"],
) {
  // To draw hundreds of millions of values takes most of a minute: a file that has them is read first.
  const { made: network, draw } = init.later(() => new MissNetwork(init, folder.config));
  network.visual_encoder.checkpointBlocks = config.checkpointBlocks;
  try {
    if (config.init && !resumed) {
      await using reader = await io.openCheckpoint(config.init);
      const report = await loadNetwork(network, reader, { partial: true });
      onEvent?.({ type: "loaded", file: reader.file, report });
      for (const text of await aboutStart(config.init, folder)) onEvent?.({ type: "warning", text });
    }
    draw();
    return network;
  } catch (error) {
    network.dispose();
    throw error;
  }
}

/** What a run has to be told of its start: that it saw other pixel values, that adapters beside its weights are left behind. */
async function aboutStart(init: string, { scaling }: ModelFolder): Promise<string[]> {
  if (!(await platform.exists(`${init}/config.json`))) return [];
  const found = await readModelFolder(init);
  const { scaling: before, adapters = [] } = found;
  const pixels = `${init} was trained with --scaling ${before}, this run has --scaling ${scaling}: what it knows of images may not help.`;
  const beside = `${init} has adapters of ${adapters.join(", ")} beside its weights: the run starts from the weights without them.${(await canFold(adaptersBeside(init, found))) ? " They can be folded in first: consilium adapter merge." : ""}`;
  return [...(before === scaling ? [] : [pixels]), ...(adapters.length === 0 ? [] : [beside])];
}

/** None of the adapters is a prefix: `adapter merge` takes them all or none. A run needs none: one that cannot be read stops nothing. */
async function canFold(adapters: ReadonlyMap<string, string>): Promise<boolean> {
  const configs = await Promise.all(
    [...adapters.values()].map((folder) => readAdapterConfig(folder).catch(() => null)),
  );
  return configs.every((config) => config !== null && config.peft_type !== "PREFIX_TUNING");
}
