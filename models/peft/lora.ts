import { nn } from "../../engine/index.js";

/** Modules by the end of their path, as PEFT matches `target_modules`: "query" hits every `….query`. */
const matches = (path: string, targets: readonly string[]) => targets.some((t) => path === t || path.endsWith(`.${t}`));

/**
 * Freezes `root` and puts a LoRA adapter around each linear layer (patch embedding, stack of experts) whose path ends in one
 * of `targets`. Returns the paths that were hit, in order. Throws OptionError for experts that are quantised.
 */
export function applyLora(
  root: nn.Module,
  init: nn.Initializer,
  targets: readonly string[],
  options: nn.LoraOptions,
): string[] {
  root.requiresGrad(false);
  const hit: string[] = [];
  nn.replaceModules(root, (child, path) => {
    if (!matches(path, targets)) return null;
    if (child instanceof nn.Linear) {
      hit.push(path);
      return new nn.LoraLinear(init, child, options);
    }
    if (child instanceof nn.PatchEmbed) {
      hit.push(path);
      return new nn.LoraPatchEmbed(init, child, options);
    }
    if (child instanceof nn.Experts || child instanceof nn.QuantizedExperts) {
      hit.push(path);
      return new nn.LoraExperts(init, child as nn.Experts, options);
    }
    return null;
  });
  return hit;
}

type LoraLayer = nn.LoraLinear | nn.LoraPatchEmbed | nn.LoraExperts;

export function* loraLayers(root: nn.Module): Generator<[string, LoraLayer]> {
  for (const [path, m] of root.namedModules())
    if (m instanceof nn.LoraLinear || m instanceof nn.LoraPatchEmbed || m instanceof nn.LoraExperts) yield [path, m];
}
