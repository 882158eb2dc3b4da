import { nn } from "../../engine/index.js";
import { type Adding, type Targets, wrapTargets } from "./targets.js";

/**
 * Freezes `root` and puts a LoRA adapter around each target that is a linear layer, a patch embedding or a stack of experts. Where there are
 * some already, another one beside them, under a name of its own: it is in use from then on, and is trained alone. Returns the paths that
 * were hit, in order. Throws OptionError where nothing is hit, for experts that are quantised, for layers of another method.
 */
export function applyLora(
  root: nn.Module,
  init: nn.Initializer,
  targets: Targets,
  options: nn.LoraOptions,
  name: string = nn.DEFAULT_ADAPTER,
): string[] {
  const adding: Adding = { method: "LoRA", name, owns: (layer) => layer instanceof nn.LowRank };
  return wrapTargets(root, adding, targets, (layer) => {
    if (layer instanceof nn.LowRank) {
      (layer as nn.LoraLinear).add(init, options, name);
      return layer;
    }
    if (layer instanceof nn.Linear || layer instanceof nn.QuantizedLinear)
      return new nn.LoraLinear(init, layer, options, name);
    if (layer instanceof nn.PatchEmbed) return new nn.LoraPatchEmbed(init, layer, options, name);
    if (layer instanceof nn.Experts || layer instanceof nn.QuantizedExperts)
      return new nn.LoraExperts(init, layer as nn.Experts, options, name);
    return null;
  });
}
