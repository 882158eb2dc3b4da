import { platform } from "#platform";
import { io, OptionError } from "../../../engine/index.js";
import { refuseProblems } from "../../data/problem.js";
import { sameConversations } from "../../data/unchanged.js";
import { writeText } from "../../files/write.js";
import { withMergedAdapters } from "../../peft/merge.js";
import { logged, RunLog } from "../../training/log/run-log.js";
import { hasRunFile, writeRunFile } from "../../training/run-file.js";
import { sameConfig, stateFile } from "../../training/run-state.js";
import { refuseUnvalidated } from "../../training/validations.js";
import { holdsProjectorOnly } from "../folder/load.js";
import { saveMedMoe, saveProjector } from "../folder/save.js";
import { missingTower } from "../folder/tower.js";
import { SquareImages } from "../input/square-images.js";
import { templateNamed } from "../input/template.js";
import type { MedMoeNetwork } from "../network/network.js";
import { openRouter, routerShape } from "../network/router.js";
import { trainRouter } from "./router-training.js";
import { MedMoeRun } from "./run.js";
import { MedMoeRunConfig, type MoeTuningConfig, type TuningConfig } from "./run-config.js";
import { EXPERTS, startingPoint } from "./starting-point.js";
import { dataName, loadConversationSplits } from "./train-data.js";
import type { MedMoeTrainOptions, MedMoeTrainResult } from "./train-options.js";
import { openMedMoeState } from "./train-state.js";
import { untrainable } from "./training-problems.js";

/**
 * Runs one stage of Med-MoE's training. `out` gets what the next stage starts from: align, where it trains the projector
 * alone, config.json and mm_projector.bin; router a router.pth; the others a model's folder in the published layout. Same
 * config, device and SIMD target give the same bits, also across a stop and a resume.
 */
export async function train(given: MedMoeRunConfig, options: MedMoeTrainOptions): Promise<MedMoeTrainResult> {
  const named = MedMoeRunConfig.parse(given);
  const { device, signal, out } = options;
  if (named.precision === "bf16" && device.name === "webgpu")
    throw new OptionError("precision bf16: webgpu multiplies in f32 and f16 only. Use f16, or the cpu device.");
  if (named.stage === "moe" && named.router === undefined && !named.trainRouter)
    throw new OptionError(
      "Stage moe needs a router: the router.pth that stage router wrote. Or train the routers of the mixtures, too (`trainRouter`).",
    );
  const splits = await loadConversationSplits(named.data, { ...named, signal });
  if (named.stage !== "router") refuseUnvalidated(splits.validation.length, named);
  const { config, local } = await located(named, options);
  await refuseProjector(local);
  const saved = options.resume && (await platform.exists(stateFile(out))) ? await openMedMoeState(out) : null;
  try {
    if (saved) {
      sameConfig(saved.state.config, config, stateFile(out));
      sameConversations(dataName(config.data), splits.digest, saved.state.data);
    } else await refuseModel(out, options.resume ?? false);
    if (config.stage === "router") return await trainRouter(config, local, options, splits, saved);
    return await tune(config, local as TuningConfig, options, splits, saved);
  } finally {
    await saved?.reader.close();
    device.pool.trim();
  }
}

/** A folder of stage align is no model to start from: it holds a projector. */
async function refuseProjector({ stage, model }: MedMoeRunConfig): Promise<void> {
  if (!(await holdsProjectorOnly(model))) return;
  throw new io.FileFormatError(
    model,
    "it holds a projector and no language model, as stage align leaves it",
    stage === "router"
      ? "Give it to stage instruct as --projector, and what that writes to stage router"
      : `Name the language model that it was trained for, and this folder as its projector: --model-path BASE --projector ${model}`,
  );
}

/** What settings name to start from. */
const PARTS = ["model", "tower", "projector", "router"] as const;

/**
 * The settings with the names by which all that they start from is found again, and with where that is on this machine; those of
 * stage moe with the number of experts.
 */
export async function located<Config extends MedMoeRunConfig>(
  named: Config,
  { find }: Pick<MedMoeTrainOptions, "find">,
): Promise<{ config: Config; local: Config }> {
  const names: Record<string, string> = {};
  const paths: Record<string, string> = {};
  for (const part of find ? PARTS : []) {
    const given = (named as Partial<Record<typeof part, string>>)[part];
    if (given === undefined) continue;
    const found = await find?.(given);
    Object.assign(names, { [part]: found?.name });
    Object.assign(paths, { [part]: found?.path });
  }
  const tower = find && named.tower === undefined ? await missingTower(paths.model ?? named.model) : null;
  if (tower !== null) {
    const found = await find?.(tower);
    Object.assign(names, { tower: found?.name });
    Object.assign(paths, { tower: found?.path });
  }
  const local = { ...named, ...paths };
  const experts = local.stage === "moe" && local.experts === undefined ? { experts: await expertsOf(local) } : {};
  return { config: { ...named, ...names, ...experts }, local: { ...local, ...experts } };
}

/** As many as the router tells apart. */
async function expertsOf({ router }: MoeTuningConfig): Promise<number> {
  if (router === undefined) return EXPERTS;
  await using reader = await openRouter(router);
  return routerShape(reader, router)[0];
}

type Splits = Awaited<ReturnType<typeof loadConversationSplits>>;
type SavedRun = Awaited<ReturnType<typeof openMedMoeState>> | null;

async function tune(
  config: TuningConfig,
  local: TuningConfig,
  options: MedMoeTrainOptions,
  splits: Splits,
  saved: SavedRun,
): Promise<MedMoeTrainResult> {
  const { out } = options;
  const { network, tokenizer, files } = await startingPoint(local, options);
  try {
    const template = templateNamed(config.template ?? (config.stage === "align" ? "plain" : network.config.family));
    const images = new SquareImages(network.image_tower.config.imageSize, config.pad);
    const { maxLength, seed } = config;
    const reading = { template, tokenizer, images, maxLength, seed };
    refuseProblems(untrainable([...splits.train, ...splits.validation], reading, network), dataName(config.data));
    if (!saved) await writeRunFile(out, config);
    const running = logged(options, await RunLog.open(out, saved?.state ?? null));
    const { onEvent } = running;
    const run = new MedMoeRun(config, running, splits, network, reading, local.model);
    try {
      await run.restore(saved);
      const parameters = countOf(network);
      const resumedAt = run.state.step;
      onEvent?.({ type: "ready", ...parameters, steps: run.steps, rows: splits.train.length, resumedAt });
      const interrupted = await run.loop();
      if (!interrupted) {
        await run.takeBest();
        await write(network, config, out, files);
      }
      const { history, mixtures, state } = run;
      const { validations, step: steps } = state;
      return { config, interrupted, history, mixtures, validations, parameters, steps, resumedAt };
    } finally {
      await run.close();
    }
  } finally {
    network.dispose();
  }
}

function countOf(network: MedMoeNetwork): { trainable: number; total: number } {
  let trainable = 0;
  let total = 0;
  for (const p of network.parameters()) {
    total += p.size;
    if (p.requiresGrad) trainable += p.size;
  }
  return { trainable, total };
}

/** What the next stage starts from, and what evaluation loads. */
async function write(
  network: MedMoeNetwork,
  config: TuningConfig,
  out: string,
  tokenizer: Readonly<Record<string, string>>,
): Promise<void> {
  if (config.stage === "align" && config.alsoTrain.length === 0) {
    await saveProjector(network, out, config.dtype);
    return;
  }
  network.config = { ...network.config, vision: { ...network.config.vision, pad: config.pad } };
  await withMergedAdapters(network, () => saveMedMoe(network, out, { dtype: config.dtype }));
  for (const [name, text] of Object.entries(tokenizer)) await writeText(`${out}/${name}`, text);
}

/** A model that no run can go on from is not written over. A run that stopped before its first checkpoint may start again. */
async function refuseModel(out: string, resume: boolean): Promise<void> {
  const begun = resume && (await hasRunFile(out));
  if (begun) return;
  for (const name of ["config.json", "router.pth"])
    if (await platform.exists(`${out}/${name}`))
      throw new OptionError(
        `${out} holds a model already (${name}), and no checkpoint to go on from. Choose another folder, or remove this one first.`,
      );
}
