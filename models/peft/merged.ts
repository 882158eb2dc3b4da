import type { nn, Tensor } from "../../engine/index.js";
import { loraLayers } from "./lora.js";

/**
 * Runs `f` with every adapter folded into its base weight, then puts the base weights back bit for bit: taking an adapter
 * out again would round.
 */
export async function withMergedAdapters<T>(root: nn.Module, f: () => Promise<T>): Promise<T> {
  const layers = [...loraLayers(root)].filter(([, l]) => !l.merged);
  const weights = layers.flatMap(([, l]) => [...l.base_layer.parameters()]);
  const before = await Promise.all(weights.map((weight) => weight.data()));
  for (const [, layer] of layers) layer.merge();
  try {
    return await f();
  } finally {
    for (const [, layer] of layers) layer.unmerge();
    for (const [i, weight] of weights.entries()) weight.write(before[i]);
  }
}

/** Parameters under the names the model has without adapters; the adapters themselves are left out. */
export function* baseParameters(root: nn.Module): Generator<[string, Tensor]> {
  for (const [name, p] of root.namedParameters())
    if (!/\.lora_[AB]\./.test(name)) yield [name.replace(".base_layer.", "."), p];
}
