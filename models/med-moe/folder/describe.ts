import { platform } from "#platform";
import { io } from "../../../engine/index.js";
import { CLIP_VIT_L_14_336, type ClipVisionConfig, parseClipConfig } from "../../clip/config.js";
import type { MixtureForm } from "../network/mixture.js";
import { isMultimodal, type MedMoeConfig, readMedMoeConfig } from "./config.js";
import { countMedMoe, type MedMoeCount } from "./count.js";

/** How far a folder has come: the language model alone, or the last stage it went through. */
export type Reached = "language model" | "align" | "instruct" | "moe";

/** What a model's folder holds, as far as config.json and the names of its tensors say. */
export interface MedMoeDescription {
  /** config.json as it was read. */
  readonly config: MedMoeConfig;
  /** The stage that the folder is of. */
  readonly reached: Reached;
  /** Null in a dense model. */
  readonly form: MixtureForm | null;
  /** Of the whole model, whatever of it the folder holds. */
  readonly count: MedMoeCount;
}

/** Describes a folder; `names` are those of its checkpoint's tensors. Throws FileFormatError as `readMedMoeConfig` does. */
export async function describeMedMoe(folder: string, names: readonly string[]): Promise<MedMoeDescription> {
  const config = await readMedMoeConfig(folder);
  const form = config.moe && formOf(names);
  const tower = (await towerBeside(folder, config)) ?? CLIP_VIT_L_14_336;
  const hasLanguageModel = names.some((name) => name.startsWith("model.layers."));
  const reached = config.moe
    ? "moe"
    : !isMultimodal(config)
      ? "language model"
      : hasLanguageModel
        ? "instruct"
        : "align";
  return { config, reached, form, count: countMedMoe(config, tower, form ?? undefined) };
}

/** What the mixtures of a checkpoint have, by the names of its tensors. */
export const formOf = (names: readonly string[]): MixtureForm => ({
  meta: names.some((name) => name.includes(".mlp.meta_moe.")),
  routerBias: names.some((name) => name.endsWith(".gate.wg.bias")),
});

/** The config of the tower that `mm_image_tower` names, where that is a folder beside the model or anywhere; null otherwise. */
export async function towerBeside(folder: string, { vision }: MedMoeConfig): Promise<ClipVisionConfig | null> {
  const place = await towerFolder(folder, vision.tower);
  return place === null ? null : readClipConfig(place);
}

export async function towerFolder(folder: string, tower: string | null): Promise<string | null> {
  if (tower === null) return null;
  for (const place of [`${folder}/${tower}`, tower]) if (await platform.exists(`${place}/config.json`)) return place;
  return null;
}

export async function readClipConfig(folder: string): Promise<ClipVisionConfig> {
  const file = `${folder}/config.json`;
  return parseClipConfig(io.parseJson(await io.readText(file, TOWER_NEEDED), file), file);
}

export const TOWER_NEEDED =
  "Give the folder of the CLIP vision tower (openai/clip-vit-large-patch14-336: config.json and weights) as `tower`";
