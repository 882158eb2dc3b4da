import { nn } from "../../engine/index.js";

/** Modules by the end of their path, as PEFT matches `target_modules`: "query" hits every `….query`. */
const matches = (path: string, targets: readonly string[]) => targets.some((t) => path === t || path.endsWith(`.${t}`));

/**
 * Freezes `root` and puts a LoRA adapter around each linear layer (and patch embedding) whose path ends in one of
 * `targets`. Returns the paths that were hit, in order.
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
    return null;
  });
  return hit;
}

export function* loraLayers(root: nn.Module): Generator<[string, nn.LoraLinear | nn.LoraPatchEmbed]> {
  for (const [path, m] of root.namedModules())
    if (m instanceof nn.LoraLinear || m instanceof nn.LoraPatchEmbed) yield [path, m];
}
