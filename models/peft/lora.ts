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
  replace(root, "", (child, path) => {
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

/** Walks properties, arrays and plain objects; `f` may give a module to stand in a child's place. */
function replace(owner: object, prefix: string, f: (child: nn.Module, path: string) => nn.Module | null): void {
  for (const [name, child] of Object.entries(owner)) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (child instanceof nn.Module) {
      const other = f(child, path);
      if (other) (owner as Record<string, unknown>)[name] = other;
      else replace(child, path, f);
    } else if (Array.isArray(child) || (child && Object.getPrototypeOf(child) === Object.prototype)) {
      replace(child, path, f);
    }
  }
}
