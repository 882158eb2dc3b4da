import { nn, OptionError } from "../../engine/index.js";
import { type Adding, isTarget, type Targets, wrapTargets } from "./targets.js";

/** Where IA3's factors stand. */
export interface Ia3Targets {
  /** All modules that get some. */
  readonly targets: Targets;
  /** Those of them where they stand on the inputs (PEFT: `feedforward_modules`); on the outputs elsewhere. */
  readonly feedforward: Targets;
}

/**
 * Freezes `root` and scales each target, a linear layer, by factors that are learned. Where there are some already, others beside them, under
 * a name of their own: they are in use from then on, and are trained alone. Returns the paths that were hit, in order. Throws OptionError
 * where nothing is hit, and for layers of another method.
 */
export function applyIa3(
  root: nn.Module,
  init: nn.Initializer,
  { targets, feedforward }: Ia3Targets,
  name: string = nn.DEFAULT_ADAPTER,
): string[] {
  const adding: Adding = { method: "IA3", name, owns: (layer) => layer instanceof nn.Ia3Linear };
  return wrapTargets(root, adding, targets, (layer, path) => {
    const onInputs = isTarget(path, layer, feedforward);
    if (layer instanceof nn.Ia3Linear) {
      if (layer.feedforward !== onInputs)
        throw new OptionError(
          `IA3: the factors of ${path} stand on its ${layer.feedforward ? "inputs" : "outputs"}. All adapters of a layer do alike.`,
        );
      layer.add(init, name);
      return layer;
    }
    return layer instanceof nn.Linear ? new nn.Ia3Linear(init, layer, { feedforward: onInputs }, name) : null;
  });
}
