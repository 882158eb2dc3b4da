import { type nn, OptionError } from "../../engine/index.js";
import { applyIa3, type Ia3Targets } from "../peft/ia3.js";
import { applyLora } from "../peft/lora.js";
import { applyPrefix } from "../peft/prefix.js";
import { type MissConfig, QUESTION_LENGTH } from "./config.js";
import type { MissNetwork } from "./network.js";

/** How a module takes part in tuning, as MILE's tables say it: F frozen, T trained in full, else frozen and tuned by the method. */
export const textMethods = ["F", "T", "lora", "ia3", "prefix", "ptv2"] as const;
/** The vision module has no keys of words that a prefix could stand in front of. */
export const visionMethods = ["F", "T", "lora", "ia3"] as const;
/** How a text module is tuned. */
export type TextMethod = (typeof textMethods)[number];
/** How the vision module is tuned. */
export type VisionMethod = (typeof visionMethods)[number];

/** Why a module cannot be tuned so, with the methods that it takes. */
export function whyNoMethod(given: unknown, methods: readonly string[], part: string): string {
  const valid = `The ${part} takes ${methods.join(", ")}`;
  if (given === "prefix" || given === "ptv2")
    return `${given} puts keys in front of those of words, and an image has none. ${valid}`;
  if (typeof given === "string" && /[,+ ]/.test(given.trim()))
    return `"${given}" names several methods; a module takes one. ${valid}`;
  // What is no text may have no text either.
  const shown = typeof given === "string" ? given : String(JSON.stringify(given));
  return `"${shown.slice(0, 100)}" is none of them. ${valid}`;
}

/** The columns of MILE's tables. */
export interface Adaptation {
  /** The vision transformer. */
  readonly vit: VisionMethod;
  /** The joint text-multimodal module. */
  readonly jtm: TextMethod;
  /** The decoder. */
  readonly dec: TextMethod;
  /** lora: rank. */
  readonly rank: number;
  /** lora: the branch counts alpha / rank. */
  readonly alpha: number;
  /** lora: on the branch's input, in training. */
  readonly dropout: number;
  /** prefix, ptv2: virtual tokens. */
  readonly tokens: number;
}

/** The published settings: rank 8 (some rows 4), alpha 32, dropout 0.1, 10 virtual tokens; all modules trained in full. */
export const published: Adaptation = { vit: "T", jtm: "T", dec: "T", rank: 8, alpha: 32, dropout: 0.1, tokens: 10 };

/** Modules by the roots of their names in files. */
export const PARTS = {
  /** The vision transformer. */
  visual_encoder: "vit",
  /** The joint text-multimodal module. */
  text_encoder: "jtm",
  /** The decoder. */
  text_decoder: "dec",
} as const;
/** A module by the root of its names. */
export type Root = keyof typeof PARTS;
export const ROOTS = Object.keys(PARTS) as Root[];

/** PEFT's defaults for BERT, and MILE's choice for the ViT: `proj` also hits the patch embedding. */
export const LORA_TARGETS: Readonly<Record<Root, readonly string[]>> = {
  visual_encoder: ["qkv", "proj", "fc1", "fc2"],
  text_encoder: ["query", "value"],
  text_decoder: ["query", "value"],
};

const BERT_IA3: Ia3Targets = { targets: ["key", "value", "output.dense"], feedforward: ["output.dense"] };
/**
 * `output.dense` hits three modules a layer: of attention, of cross-attention and of the feed-forward. What MILE did with the ViT its tables
 * leave open: fc2 fits the printed digits, and so would outputs of qkv, proj and the patch embedding.
 */
export const IA3_TARGETS: Readonly<Record<Root, Ia3Targets>> = {
  visual_encoder: { targets: ["fc2"], feedforward: ["fc2"] },
  text_encoder: BERT_IA3,
  text_decoder: BERT_IA3,
};

/** Freezes, trains or wraps each of the three modules. Call once, after loading the base weights. */
export function adapt(network: MissNetwork, init: nn.Initializer, adaptation: Adaptation): void {
  checkAdaptation(network.config, adaptation);
  const { rank: r, alpha, dropout, tokens } = adaptation;
  const prefix = (root: Exclude<Root, "visual_encoder">, projection: boolean) =>
    applyPrefix(network[root], init, { tokens, projection });
  for (const root of ROOTS) {
    const part = network[root];
    const method = adaptation[PARTS[root]];
    if (method === "F" || method === "T") part.requiresGrad(method === "T");
    else if (method === "lora") applyLora(part, init, LORA_TARGETS[root], { r, alpha, dropout });
    else if (method === "ia3") applyIa3(part, init, IA3_TARGETS[root]);
    else if (root !== "visual_encoder") prefix(root, method === "prefix");
  }
}

/** Throws OptionError where a method does not go with a model of these sizes. */
export function checkAdaptation(config: MissConfig, { vit, jtm, dec, rank, tokens }: Adaptation): void {
  const widths = [
    ...(vit === "lora" ? [config.visionWidth] : []),
    ...([jtm, dec].includes("lora") ? [config.hidden] : []),
  ];
  const width = Math.min(...widths);
  if (rank > width)
    throw new OptionError(
      `\`rank\` ${rank} is above the width ${width} of a layer: its adapter would be larger than the layer. Use 1 to ${width}; published are 4 and 8.`,
    );
  const prefixed = [jtm, dec].some((method) => method === "prefix" || method === "ptv2");
  if (prefixed && tokens + QUESTION_LENGTH > config.maxPositions)
    throw new OptionError(
      `\`tokens\` ${tokens} in front of the ${QUESTION_LENGTH} ids of a question do not fit into the model's ${config.maxPositions} positions. Published are 10.`,
    );
}

/** Modules whose adapter is no change of weights, and lies beside them. */
export const prefixedRoots = (adaptation: Pick<Adaptation, "vit" | "jtm" | "dec">): Root[] =>
  ROOTS.filter((root) => ["prefix", "ptv2"].includes(adaptation[PARTS[root]]));

/**
 * The name PEFT gives a parameter: `text_decoder.x.y` becomes `text_decoder.base_model.model.x.y` in a module that has adapters around
 * layers; a prefix keeps its name. `wrapped` are the roots that have adapters.
 */
export function peftName(name: string, wrapped: ReadonlySet<Root>): string {
  const [root, rest] = name.split(/\.(.*)/s, 2);
  const own = !wrapped.has(root as Root) || rest.startsWith("prompt_encoder.");
  return own ? name : `${root}.base_model.model.${rest}`;
}
