import { nn, type Tensor } from "../../engine/index.js";
import { PromptEncoder } from "./prompt-encoder.js";

/** Layers with adapters below `root`, by path. */
export function* adapterLayers(root: nn.Module): Generator<[string, nn.AdapterLayer]> {
  for (const [path, m] of root.namedModules()) if (m instanceof nn.AdapterLayer) yield [path, m];
}

/** Folds the adapters in use into the weights beside them. A prefix is no change of weights, and stays what it is. */
export function mergeAdapters(root: nn.Module): void {
  const done: nn.AdapterLayer[] = [];
  try {
    for (const [, layer] of adapterLayers(root)) {
      if (layer.merged) continue;
      layer.merge();
      done.push(layer);
    }
  } catch (error) {
    for (const layer of done) layer.unmerge();
    throw error;
  }
}

/** Puts the weights back that `mergeAdapters` changed, bit for bit. */
export function unmergeAdapters(root: nn.Module): void {
  for (const [, layer] of adapterLayers(root)) layer.unmerge();
}

/** Runs `f` with the adapters folded in, those that were not before taken out again behind it, bit for bit. */
export async function withMergedAdapters<T>(root: nn.Module, f: () => Promise<T>): Promise<T> {
  const before = new Set([...adapterLayers(root)].flatMap(([, layer]) => (layer.merged ? [layer] : [])));
  mergeAdapters(root);
  try {
    return await f();
  } finally {
    for (const [, layer] of adapterLayers(root)) if (!before.has(layer)) layer.unmerge();
  }
}

/** Parameters under the names the model has without adapters; the adapters themselves are left out. */
export function* baseParameters(root: nn.Module): Generator<[string, Tensor]> {
  const adapters = adapterTensors(root);
  for (const [name, p] of root.namedParameters()) if (!adapters.has(p)) yield [name.replaceAll(".base_layer.", "."), p];
}

/** Every tensor of every adapter below `root`. */
export function adapterTensors(root: nn.Module): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const [, m] of root.namedModules()) {
    if (m instanceof nn.AdapterLayer)
      for (const name of m.adapters) for (const p of m.adapterParameters(name)) found.add(p);
    if (m instanceof PromptEncoder) for (const p of m.parameters()) found.add(p);
  }
  return found;
}
