import type { nn } from "../../engine/index.js";
import { applyLora } from "../peft/lora.js";
import type { MissNetwork } from "./network.js";

/** How a part of the model takes part in tuning: the F, T and LoRA columns of MILE's tables. */
export type Mode = "frozen" | "train" | "lora";

export interface Adaptation {
  vision: Mode;
  /** The joint text-multimodal module. */
  jtm: Mode;
  decoder: Mode;
  lora: nn.LoraOptions;
}

/** PEFT's defaults for BERT, and MILE's choice for the ViT: `proj` also hits the patch embedding. */
export const LORA_TARGETS = {
  visual_encoder: ["qkv", "proj", "fc1", "fc2"],
  text_encoder: ["query", "value"],
  text_decoder: ["query", "value"],
} as const;

export type Root = keyof typeof LORA_TARGETS;
export const ROOTS = Object.keys(LORA_TARGETS) as Root[];

/** Freezes, trains or wraps each of the three parts. Call once, after loading the base weights. */
export function adapt(network: MissNetwork, init: nn.Initializer, { vision, jtm, decoder, lora }: Adaptation): void {
  const modes: Record<Root, Mode> = { visual_encoder: vision, text_encoder: jtm, text_decoder: decoder };
  for (const root of ROOTS) {
    const part = network[root];
    if (modes[root] === "lora") applyLora(part, init, LORA_TARGETS[root], lora);
    else part.requiresGrad(modes[root] === "train");
  }
}

/** The name PEFT gives a parameter of a wrapped part: `text_decoder.x.y` becomes `text_decoder.base_model.model.x.y`. */
export function peftName(name: string, wrapped: ReadonlySet<Root>): string {
  const [root] = name.split(".", 1);
  return wrapped.has(root as Root) ? `${root}.base_model.model${name.slice(root.length)}` : name;
}

/** Values in the parameters of a network. */
export interface ParameterCounts {
  /** In those that a step changes. */
  readonly trainable: number;
  /** In all. */
  readonly total: number;
}

/** Parameters that a step changes, and all of them. */
export function countParameters(network: MissNetwork): ParameterCounts {
  let trainable = 0;
  let total = 0;
  for (const p of network.parameters()) {
    total += p.size;
    if (p.requiresGrad) trainable += p.size;
  }
  return { trainable, total };
}
