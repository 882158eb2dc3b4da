/** What a stage starts with: the model's network, changed into what the stage trains. */
import { io, nn, OptionError } from "../../../engine/index.js";
import { applyLora } from "../../peft/lora.js";
import { loadTokenizer } from "../../text/tokenizer-folder.js";
import { type Family, type MoeConfig, moeLayers, TRAIN_MODULES } from "../folder/config.js";
import { loadMedMoe } from "../folder/load.js";
import { isExpert, isRouter } from "../folder/names.js";
import { toMixtures } from "../network/mixture.js";
import type { MedMoeNetwork } from "../network/network.js";
import { DomainRouter, loadRouter } from "../network/router.js";
import type { MoeTuningConfig, TuningConfig } from "./run-config.js";
import { selectTrainable } from "./stages.js";
import type { MedMoeTrainOptions } from "./train-options.js";

/** Of a mixture, where neither the settings nor a router say how many: as published. */
export const EXPERTS = 4;

/** The network that the stage starts with, asking for the gradients that it trains, and the model's tokenizer. */
export async function startingPoint(config: TuningConfig, { device }: Pick<MedMoeTrainOptions, "device">) {
  const { model, tower, projector, seed } = config;
  const loaded = await loadMedMoe(model, { device, tower, seed, projector });
  const { network } = loaded;
  try {
    if (loaded.newProjector && config.stage !== "align" && !config.newProjector) throw noProjector(model);
    const { tokenizer, files } = await loadTokenizer(model, network.config.family);
    if (tokenizer.size > network.config.decoder.vocabulary)
      throw new io.FileFormatError(
        model,
        `its tokenizer has ${tokenizer.size} ids, its model ${network.config.decoder.vocabulary}`,
        "Put the tokenizer of this model there",
      );
    const init = new nn.Initializer(device, seed);
    if (config.stage === "moe") await becomeMixture(network, config, init);
    else if (network.config.moe)
      throw new OptionError(
        `${model} has mixtures of experts; stage ${config.stage} comes before them. Name a dense model.`,
      );
    selectTrainable(network, config.stage, { paper: config.stage === "moe" && config.trains === "paper" });
    alsoTrain(network, config);
    if (config.lora) adapt(network, config, config.lora, init);
    if (config.stage === "moe" && config.trainRouter) trainRouters(network);
    network.model.checkpointLayers = config.checkpointLayers;
    nn.namePaths(network);
    return { network, tokenizer, files };
  } catch (error) {
    network.dispose();
    throw error;
  }
}

const noProjector = (model: string) =>
  new OptionError(
    `${model} is a language model that has seen no images: its projector would start at random. Name what stage align wrote (\`projector\`), or ask for it (\`newProjector\`).`,
  );

async function becomeMixture(network: MedMoeNetwork, config: MoeTuningConfig, init: nn.Initializer): Promise<void> {
  const { moe, decoder } = network.config;
  if (moe)
    throw new OptionError(
      `${config.model} has mixtures of experts already. Name the dense model that stage instruct wrote.`,
    );
  const router = config.router
    ? await loadRouter(config.router, init.device)
    : new DomainRouter(init, decoder.width, config.experts ?? EXPERTS);
  try {
    toMixtures(network, mixturesOf(config, network.config.family, decoder.layers, router), router, config);
  } finally {
    router.dispose();
  }
}

function mixturesOf(config: MoeTuningConfig, family: Family, n: number, router: DomainRouter): MoeConfig {
  const { layers: given, mode, topK, residual, auxLoss } = config;
  const layers = given ?? moeLayers(mode, n);
  const wrong = layers.filter((layer, i) => layer >= n || (i > 0 && layer <= layers[i - 1]));
  if (wrong.length > 0)
    throw new OptionError(
      `\`layers\`: ${wrong[0]} is not one of ${n} layers, or not in order: each once, from 0 to ${n - 1}.`,
    );
  const [experts] = router.fc1.weight.shape;
  if (config.experts !== undefined && experts !== config.experts)
    throw new OptionError(
      `\`experts\` is ${config.experts}; the router tells ${experts} modalities apart. Leave it out, or make them equal.`,
    );
  return {
    mode: given ? "custom" : mode,
    layers,
    experts: layers.map(() => experts),
    topK,
    residual,
    auxLoss,
    trainModules: TRAIN_MODULES[family],
  };
}

function alsoTrain(network: MedMoeNetwork, config: TuningConfig): void {
  if (config.alsoTrain.includes("tower")) {
    network.image_tower.requiresGrad();
    // The name in config.json is that of the tower before.
    network.config = { ...network.config, vision: { ...network.config.vision, tower: null } };
  }
  if (config.alsoTrain.includes("language")) {
    for (const [path, p] of network.model.namedParameters()) if (!isRouter(`model.${path}`)) p.requiresGrad = true;
    network.lm_head.requiresGrad();
  }
}

/** After adapters, which freeze the language model. */
function trainRouters(network: MedMoeNetwork): void {
  for (const [path, p] of network.namedParameters()) if (isRouter(path)) p.requiresGrad = true;
}

/** Linear layers of the blocks by the end of their names. */
const LINEAR: Readonly<Record<Family, { readonly attention: readonly string[]; readonly mlp: readonly string[] }>> = {
  stablelm: { attention: ["q_proj", "k_proj", "v_proj", "o_proj"], mlp: ["gate_proj", "up_proj", "down_proj"] },
  phi: { attention: ["q_proj", "k_proj", "v_proj", "dense"], mlp: ["fc1", "fc2"] },
};

/** Adapters in the language model, whose own weights are frozen. The projector is trained as before. */
function adapt(
  network: MedMoeNetwork,
  config: TuningConfig,
  { targets, ...options }: NonNullable<TuningConfig["lora"]>,
  init: nn.Initializer,
) {
  const { attention, mlp: dense } = LINEAR[network.config.family];
  const mlp = [...dense, "experts"];
  const named = targets === "all" ? [...attention, ...mlp] : mlp;
  const paper = config.stage === "moe" && config.trains === "paper";
  network.lm_head.requiresGrad(false);
  const hit = applyLora(
    network.model,
    init,
    paper ? named.flatMap((name) => inMixtures(network, name)) : named,
    options,
  );
  if (hit.length === 0) throw new OptionError(`LoRA: stage ${config.stage} has no layer that adapters fit.`);
}

/** The layers of a name that are in mixtures, by their paths in the language model. */
const inMixtures = ({ model }: MedMoeNetwork, name: string): string[] =>
  [...model.namedModules()].flatMap(([path]) =>
    path.endsWith(`.${name}`) && isExpert(`model.${path}.`) ? [path] : [],
  );
