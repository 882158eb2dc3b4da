import { nn, OptionError } from "../../engine/index.js";
import { adapterLayers } from "./merge.js";
import { PromptEncoders } from "./prompt-encoder.js";

const encoders = (root: nn.Module) =>
  [...root.namedModules()].flatMap(([, m]) => (m instanceof PromptEncoders ? [m] : []));

/** Names of the adapters below `root`, in the order they were added. */
export function adapterNames(root: nn.Module): string[] {
  const layers = [...adapterLayers(root)].flatMap(([, layer]) => layer.adapters);
  return [...new Set([...layers, ...encoders(root).flatMap((e) => e.names)])];
}

/**
 * Uses the adapter of that name wherever there is one, and none elsewhere; null leaves the model as it was without any. What asks for
 * gradients stays as it is.
 */
export function setAdapter(root: nn.Module, name: string | null): void {
  const names = adapterNames(root);
  if (name !== null && !names.includes(name))
    throw new OptionError(`setAdapter: there is none called "${name}". There are: ${names.join(", ") || "none"}.`);
  for (const [, layer] of adapterLayers(root)) layer.use(name !== null && layer.adapters.includes(name) ? name : null);
  for (const e of encoders(root)) e.use(name !== null && e.names.includes(name) ? name : null);
}

/** Before an adapter is added: it would be used in place of one that is part of the weights. */
export function refuseMerged(root: nn.Module, name: string): void {
  for (const [path, layer] of adapterLayers(root))
    if (layer.merged)
      throw new OptionError(`adapters: that of ${path} is merged. Call unmergeAdapters() before "${name}" is added.`);
}

/**
 * Runs `f` with an adapter for each row of the batch, in one pass: the base once for all rows, the adapters' parts in grouped products over
 * rows sorted by adapter. `names[b]` is that of row b, null the base alone; rows may be repeated each in a row, as beams are. Every layer with
 * adapters must know each name. Experts take one adapter at a time, and a prefix stands in front of all rows: OptionError.
 */
export function withAdapterRows<T>(root: nn.Module, names: readonly (string | null)[], f: () => T): T {
  if (encoders(root).some((e) => e.active !== null))
    throw new OptionError(
      "withAdapterRows: a prefix stands in front of all rows of a batch. Use one at a time: setAdapter().",
    );
  const rows = new nn.AdapterRows(names);
  const layers = [...adapterLayers(root)].map(([, layer]) => layer);
  const back = () => {
    for (const layer of layers) layer.useRows(null);
    rows.dispose();
  };
  let result: T;
  try {
    for (const layer of layers) layer.useRows(rows);
    result = f();
  } catch (error) {
    back();
    throw error;
  }
  if (result instanceof Promise) return result.finally(back) as T;
  back();
  return result;
}
