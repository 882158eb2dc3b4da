/**
 * The published state dict: which of its tensors a parameter holds. Almost always one of another name; the experts of a
 * mixture are one parameter here and many tensors there.
 */
import type { Shape } from "../../engine/index.js";
import type { Family } from "./config.js";

/** A tensor of the published state dict. */
export interface StoredPart {
  readonly name: string;
  readonly shape: Shape;
}

/** The prefixes that differ: ours, theirs. */
const PREFIXES = [
  ["image_tower.", "model.image_tower.image_tower."],
  ["mm_projector.", "model.mm_projector."],
] as const;

/** Within a mixture. */
const MIXTURE = [
  [/^wg\./, "deepspeed_moe.gate.wg."],
  [/^shared\./, "meta_moe."],
] as const;

/** Of the tower in a file of CLIP itself, and of the projector in one of its own. */
export const TOWER_PREFIX = PREFIXES[0][1];
export const PROJECTOR_PREFIX = PREFIXES[1][1];

const IN_MLP = /^(model\.layers\.\d+\.mlp\.)(.*)$/;
const EXPERTS = /^experts\.(up|upBias|down|downBias)$/;

/** The tensors of one expert whose values make up a row of the stacked parameter, in order. */
const EXPERT_TENSORS: Readonly<Record<Family, Readonly<Record<string, readonly string[]>>>> = {
  stablelm: { up: ["gate_proj.weight", "up_proj.weight"], down: ["down_proj.weight"] },
  phi: { up: ["fc1.weight"], upBias: ["fc1.bias"], down: ["fc2.weight"], downBias: ["fc2.bias"] },
};

/**
 * The published tensors of the parameter at `path`: their values, one after the other, are the parameter's.
 * `model.layers.0.mlp.experts.up` [E, 2n, d] is gate_proj and up_proj of expert 0, then those of expert 1, ...
 */
export function storedParts(path: string, shape: Shape, family: Family): StoredPart[] {
  for (const [ours, theirs] of PREFIXES)
    if (path.startsWith(ours)) return [{ name: theirs + path.slice(ours.length), shape }];
  const [, mlp, inner] = IN_MLP.exec(path) ?? [];
  if (mlp === undefined) return [{ name: path, shape }];
  const [, stack] = EXPERTS.exec(inner) ?? [];
  if (stack === undefined) {
    const name = MIXTURE.reduce((text, [ours, theirs]) => text.replace(ours, theirs), inner);
    return [{ name: mlp + name, shape }];
  }
  const tensors = EXPERT_TENSORS[family][stack];
  const [E, rows, ...rest] = shape;
  return Array.from({ length: E }, (_, e) =>
    tensors.map((tensor) => ({
      name: `${mlp}deepspeed_moe.experts.deepspeed_experts.${e}.${tensor}`,
      shape: [rows / tensors.length, ...rest],
    })),
  ).flat();
}

/** Whether the parameter belongs to the router of a mixture. */
export const isRouter = (path: string) => /^model\.layers\.\d+\.mlp\.wg\./.test(path);
/** Whether it belongs to the experts of a mixture, the meta expert and what weighs it among them. */
export const isExpert = (path: string) => /^model\.layers\.\d+\.mlp\.(experts|shared|coefficient)\./.test(path);
