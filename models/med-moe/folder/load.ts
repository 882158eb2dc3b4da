import { platform } from "#platform";
import { type Device, type FloatDType, io, nn, OptionError, ShapeError, type Tensor } from "../../../engine/index.js";
import { CLIP_VIT_L_14_336, type ClipVisionConfig } from "../../clip/config.js";
import { addMixtures, checkRouter } from "../network/mixture.js";
import { MedMoeNetwork } from "../network/network.js";
import { Projector } from "../network/projector.js";
import { openRouter, routerShape } from "../network/router.js";
import { type Family, isMultimodal, type MedMoeConfig, readMedMoeConfig } from "./config.js";
import { formOf, readClipConfig, TOWER_NEEDED, towerFolder } from "./describe.js";
import { storedParts, TOWER_PREFIX } from "./names.js";
import { Weights } from "./weights.js";

/** What `loadMedMoe` takes besides the model's folder. */
export interface MedMoeLoadOptions {
  /** An open device. */
  readonly device: Device;
  /** How weights are stored on it, those of routers too: as published, they route in f32 with rounded weights. Default f32. */
  readonly dtype?: FloatDType;
  /** Folder of the language model that a folder of stage 1, which holds a projector only, was trained for. */
  readonly base?: string;
  /** Folder of a CLIP vision tower. Default: what the checkpoint holds, else `mm_image_tower` where that is a folder, beside `base` too. */
  readonly tower?: string;
  /** A file like mm_projector.bin, or the folder with one that stage 1 leaves, instead of the checkpoint's projector. */
  readonly projector?: string;
  /** A router file (.pth) or its folder, instead of the routers in the checkpoint: one and the same for every mixture. */
  readonly router?: string;
  /** Experts of a token, instead of what config.json says; each mixture has as many at least. */
  readonly topK?: 1 | 2;
  /**
   * Whether tensors that the files hold as the device wants them (on cpu, of the same type) are pages of the files instead of
   * copies: loaded in no time, resident once, shared among processes. For files that nobody overwrites or cuts short
   * meanwhile; replacing or removing them is harmless (`io.FillOptions`). Default false; `MedMoe.load` says true.
   */
  readonly mapped?: boolean;
  /** Of the projector's first values, where a language model has none yet. Default 0. */
  readonly seed?: number;
}

/** A loaded network and what loading did beside copying. */
export interface LoadedMedMoe {
  /** In `eval()` mode. */
  readonly network: MedMoeNetwork;
  /** Names of the checkpoint that the model does not have. */
  readonly unused: readonly string[];
  /** The projector started at random: a language model that has seen no images. */
  readonly newProjector: boolean;
}

/**
 * Loads a model's folder in the published layout: config.json; safetensors or PyTorch weights, in one file or several with an
 * index. Also the folders it comes from: the language model alone, stage 1 (with `base`), dense stages. Values of any type
 * become those of the parameters, one tensor at a time.
 *
 * Rejects with FileFormatError for files that are missing or damaged and for a checkpoint of another family, and with a
 * ShapeError that lists every tensor that is missing or of another shape, before anything is computed.
 */
export async function loadMedMoe(folder: string, options: MedMoeLoadOptions): Promise<LoadedMedMoe> {
  const config = asAsked(await readMedMoeConfig(folder), options);
  await using weights = new Weights();
  const main = await openWeights(folder, config, options, weights);
  checkFamily(config.family, main);
  const tower = await readTower(folder, config, options, weights);
  const init = new nn.Initializer(options.device, 0, { dtype: options.dtype ?? "f32", empty: true });
  const network = new MedMoeNetwork(init, config, tower);
  try {
    const form = formOf(main.names);
    // The routers of the old release have no bias, router files do.
    addMixtures(network, init, options.router === undefined ? form : { ...form, routerBias: true });
    io.adoptQuantization(network, io.quantizationOf(main), (path, { shape }) => {
      const [{ name }] = storedParts(path, shape, config.family);
      return weights.find(name)?.tensor.dtype === "U32";
    });
    const newProjector = !isMultimodal(config) && !weights.has("model.mm_projector.image_spatial_proj.0.weight");
    if (newProjector) startProjector(network, options);
    const skip = new Set<Tensor>(newProjector ? network.mm_projector.parameters() : []);
    const used = await takeWeights(network, weights, skip, folder, options.mapped ?? false);
    return { network: network.eval(), unused: main.names.filter((name) => !used.has(name)), newProjector };
  } catch (error) {
    network.dispose();
    throw error;
  }
}

/** The config of the model that the options make of it. */
function asAsked({ moe, vision, ...config }: MedMoeConfig, { topK, tower }: MedMoeLoadOptions): MedMoeConfig {
  if (topK !== undefined && !moe)
    throw new OptionError(`\`topK\` is ${topK}, but this model has no mixtures of experts: leave \`topK\` out.`);
  const few = moe?.experts.find((count) => topK !== undefined && count < topK);
  if (few !== undefined)
    throw new OptionError(`\`topK\` is ${topK}, but a mixture of this model has ${few} expert: leave \`topK\` out.`);
  return {
    ...config,
    moe: moe && { ...moe, topK: topK ?? moe.topK },
    // Another tower is not the one that config.json names.
    vision: tower === undefined ? vision : { ...vision, tower: null },
  };
}

/** The checkpoint of the language model; separate files are added to `weights` before it is returned. */
async function openWeights(
  folder: string,
  config: MedMoeConfig,
  { base, projector, router }: MedMoeLoadOptions,
  weights: Weights,
): Promise<io.CheckpointReader> {
  const projectorOnly = isMultimodal(config) && (await holdsProjectorOnly(folder));
  if (projectorOnly && base === undefined)
    throw new io.FileFormatError(
      folder,
      "it holds a projector and no language model, as stage 1 leaves it",
      "Name the folder of the language model that it was trained for as `base`",
    );
  const main = await io.openCheckpoint(projectorOnly ? (base as string) : folder);
  weights.add(main);
  const separate = projector ?? (projectorOnly ? folder : null);
  if (separate !== null) weights.addProjector(await io.openCheckpoint(await projectorFile(separate)));
  if (router !== undefined) await addRouter(router, config, weights);
  return main;
}

const projectorIn = (folder: string) => `${folder}/mm_projector.bin`;

/** Whether a folder holds a projector and no language model, as stage 1 leaves it. */
export const holdsProjectorOnly = async (folder: string): Promise<boolean> =>
  !(await hasCheckpoint(folder)) && (await platform.exists(projectorIn(folder)));

/** A folder stands for the file in it. */
const projectorFile = async (path: string) => {
  const inside = projectorIn(path);
  return (await platform.exists(inside)) ? inside : path;
};

async function addRouter(file: string, { decoder, moe }: MedMoeConfig, weights: Weights): Promise<void> {
  const reader = await openRouter(file);
  weights.addRouter(reader);
  if (!moe) throw new OptionError(`${file}: the model has no mixtures that a router could route for. Leave it out.`);
  checkRouter(routerShape(reader, file), decoder.width, moe, `${file}: fc1.weight`);
}

const CHECKPOINTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** Whether a folder holds weights of a whole model, and not only a projector or a run's state. */
export async function hasCheckpoint(folder: string): Promise<boolean> {
  for (const file of CHECKPOINTS) if (await platform.exists(`${folder}/${file}`)) return true;
  return false;
}

/** Tensors that only one family has. */
const MARKS: Readonly<Record<Family, RegExp>> = {
  stablelm: /^model\.layers\.\d+\.(self_attn\.o_proj|mlp\..*gate_proj)\./,
  phi: /^model\.layers\.\d+\.(self_attn\.dense|mlp\..*fc1)\./,
};

function checkFamily(family: Family, { names, file }: io.CheckpointReader): void {
  if (names.some((name) => MARKS[family].test(name))) return;
  const other = (Object.keys(MARKS) as Family[]).find((f) => names.some((name) => MARKS[f].test(name)));
  throw new io.FileFormatError(
    file,
    other
      ? `its tensors are those of the family ${other}, but config.json says ${family}`
      : `it holds no language model of the family ${family}, which config.json says; its first tensor is ${names[0]}`,
    "Put config.json and weights of one model together",
  );
}

/** Sizes of the tower; its weights are added to `weights` where the checkpoint lacks them, or `tower` asks for others. */
async function readTower(
  folder: string,
  { vision }: MedMoeConfig,
  { tower, base }: MedMoeLoadOptions,
  weights: Weights,
): Promise<ClipVisionConfig> {
  const inCheckpoint = weights.has(`${TOWER_PREFIX}vision_model.pre_layrnorm.weight`);
  const place = tower ?? (await towerFolder(folder, vision.tower)) ?? (await towerOf(base, vision.tower));
  if (place !== null) {
    const config = await readClipConfig(place);
    if (tower !== undefined || !inCheckpoint) weights.addTower(await io.openCheckpoint(place));
    return config;
  }
  if (inCheckpoint) return published(weights, folder, vision.tower);
  throw new io.FileFormatError(
    folder,
    `it holds no vision tower, and ${vision.tower === null ? "config.json names none" : `there is none at ${vision.tower}`}`,
    TOWER_NEEDED,
  );
}

/** The tower of the language model that a projector of stage 1 was trained for: it lies there, not beside the projector. */
async function towerOf(base: string | undefined, name: string | null): Promise<string | null> {
  if (base === undefined) return null;
  return towerFolder(base, name ?? (await readMedMoeConfig(base)).vision.tower);
}

/** Sizes of a tower that no config.json tells: those of the published models, where its tensors have them. */
function published(weights: Weights, folder: string, name: string | null): ClipVisionConfig {
  const { imageSize, patch, width } = CLIP_VIT_L_14_336;
  const sizes = [
    ["patch_embedding.weight", [width, 3, patch, patch]],
    ["position_embedding.weight", [(imageSize / patch) ** 2 + 1, width]],
  ] as const;
  for (const [tensor, needed] of sizes) {
    const found = weights.find(`${TOWER_PREFIX}vision_model.embeddings.${tensor}`)?.tensor.shape ?? [];
    if (`${found}` === `${needed}`) continue;
    throw new io.FileFormatError(
      folder,
      `no config.json tells the sizes of its vision tower (${name === null ? "its own names none" : `there is none at ${name}`}), ` +
        `which is not CLIP ViT-L/14-336: ${tensor} is [${found.join(", ")}], not [${needed.join(", ")}]`,
      "Give the folder of that tower (config.json and weights) as `tower`",
    );
  }
  return CLIP_VIT_L_14_336;
}

function startProjector(network: MedMoeNetwork, { device, dtype, seed = 0 }: MedMoeLoadOptions): void {
  network.mm_projector.dispose();
  const init = new nn.Initializer(device, seed, { dtype });
  const { config, model } = network;
  network.mm_projector = new Projector(init, {
    from: network.image_tower.config.width,
    to: model.config.width,
    layers: config.vision.projectorLayers,
  });
}

/** Checks everything, then maps what `mapped` allows, and copies the rest. Returns the names that were used, as the main checkpoint has them. */
async function takeWeights(
  network: MedMoeNetwork,
  weights: Weights,
  skip: ReadonlySet<Tensor>,
  folder: string,
  mapped: boolean,
): Promise<Set<string>> {
  const { family } = network.config;
  const wanted = [...network.namedParameters()]
    .filter(([, p]) => !skip.has(p))
    .map(([path, p]) => ({ p, parts: storedParts(path, p.shape, family) }));
  const wrong: string[] = [];
  for (const { name, shape } of wanted.flatMap(({ parts }) => parts)) {
    const found = weights.find(name);
    if (!found) wrong.push(`${name}: missing`);
    else if (`${found.tensor.shape}` !== `${shape}`)
      wrong.push(`${name}: [${found.tensor.shape.join(", ")}] in ${found.file}, [${shape.join(", ")}] in the model`);
  }
  if (wrong.length)
    throw new ShapeError(
      `${folder}: ${wrong.length} tensors do not fit the model that config.json describes:\n  ${listed(wrong)}`,
    );
  const stored = wanted.map(({ p, parts }) => ({
    tensor: p,
    parts: parts.map(({ name }) => weights.find(name)?.tensor as io.StoredTensor),
  }));
  await io.fillTensors(stored, { mapped });
  return new Set(wanted.flatMap(({ parts }) => parts.map(({ name }) => name)));
}

const SHOWN = 20;
const listed = (lines: readonly string[]) =>
  [...lines.slice(0, SHOWN), ...(lines.length > SHOWN ? [`and ${lines.length - SHOWN} more`] : [])].join("\n  ");
