/**
 * The published state dict: which of its tensors a parameter holds. Almost always one of another name; the experts of a
 * mixture are one parameter here and many tensors there.
 */
import { io, type Shape } from "../../../engine/index.js";
import type { Family } from "./config.js";

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

/** Where the experts of a layer are, there and here. */
const EXPERTS = { expert: "deepspeed_moe.experts.deepspeed_experts.{e}", stacks: "experts" } as const;
const EXPERT_LAYERS: Readonly<Record<Family, io.ExpertNames>> = {
  stablelm: io.expertNames.projections,
  phi: io.expertNames.fc,
};

/**
 * The published tensors of the parameter at `path`: their values, one after the other, are the parameter's.
 * `model.layers.0.mlp.experts.up` [E, 2n, d] is gate_proj and up_proj of expert 0, then those of expert 1, ...
 */
export function storedParts(path: string, shape: Shape, family: Family): readonly io.ExpertTensor[] {
  for (const [ours, theirs] of PREFIXES)
    if (path.startsWith(ours)) return [{ name: theirs + path.slice(ours.length), shape }];
  const [, mlp, inner] = IN_MLP.exec(path) ?? [];
  if (mlp === undefined) return [{ name: path, shape }];
  const own = io.expertTensors(inner, shape, { ...EXPERTS, names: EXPERT_LAYERS[family] });
  if (own) return own.map((tensor) => ({ ...tensor, name: mlp + tensor.name }));
  return [{ name: mlp + MIXTURE.reduce((text, [ours, theirs]) => text.replace(ours, theirs), inner), shape }];
}

/** Whether the parameter belongs to the router of a mixture. */
export const isRouter = (path: string) => /^model\.layers\.\d+\.mlp\.wg\./.test(path);
/** Whether it belongs to the experts of a mixture, the meta expert and what weighs it among them. */
export const isExpert = (path: string) => /^model\.layers\.\d+\.mlp\.(experts|shared|coefficient)\./.test(path);

/** Whether `mm_image_tower` is a name on a hub, `owner/name`, and no path. */
export const isHubName = (tower: string | null): tower is string =>
  tower !== null && /^[\w-][\w.-]*\/[\w.-]+$/.test(tower);
