import { io, nn, OptionError } from "../../engine/index.js";
import { refuseMerged, setAdapter } from "./adapters.js";

/**
 * Which modules a method goes to, as PEFT's `target_modules`: names, each of which hits the module of that path and every module whose path
 * ends in `.name`; an expression that a whole path must fit; all linear layers; or, as a set, just these paths.
 */
export type Targets = readonly string[] | RegExp | "all-linear" | ReadonlySet<string>;

/** Whether a module is one of the targets. */
export function isTarget(path: string, module: nn.Module, targets: Targets): boolean {
  if (targets === "all-linear") return isLinear(module);
  if (targets instanceof Set) return targets.has(path);
  if (targets instanceof RegExp) return targets.exec(path)?.[0] === path;
  return [...targets].some((name) => path === name || path.endsWith(`.${name}`));
}

const isLinear = (module: nn.Module): boolean =>
  module instanceof nn.Linear ||
  module instanceof nn.QuantizedLinear ||
  (module instanceof nn.AdapterLayer && isLinear(module.base_layer));

/** What a method does with a module that it fits: the layer that takes its place; null where it does not fit. */
export type Wrap = (layer: nn.Module, path: string) => nn.Module | null;

/** A method, and the adapter that it adds. */
export interface Adding {
  /** For errors. */
  readonly method: "LoRA" | "IA3";
  /** Name of the adapter. */
  readonly name: string;
  /** Whether a layer's adapters are of this method. */
  owns(layer: nn.AdapterLayer): boolean;
}

/**
 * Freezes `root` and puts what `wrap` makes in the place of each target; no other adapter is in use then. Returns the paths that were hit,
 * in order. Throws OptionError where nothing is hit, and, before anything is changed, where a target has an adapter of that name or of
 * another method, or some adapter is merged.
 */
export function wrapTargets(root: nn.Module, adding: Adding, targets: Targets, wrap: Wrap): string[] {
  const found = [...root.namedModules()].filter(([path, module]) => path !== "" && isTarget(path, module, targets));
  // Of a layer that has adapters, the layer: not what is in it.
  const inside = new Set(found.flatMap(([path, m]) => (m instanceof nn.AdapterLayer ? [`${path}.base_layer`] : [])));
  const outer = found.filter(([path]) => !inside.has(path));
  for (const [path, module] of outer) if (module instanceof nn.AdapterLayer) refuse(path, module, adding);
  refuseMerged(root, adding.name);
  const wrapped = new Map(outer.flatMap(([path, module]) => pair(path, inModeOf(module, wrap(module, path)))));
  if (wrapped.size === 0)
    throw nothingHit(
      root,
      adding.method,
      targets,
      outer.map(([path]) => path),
    );
  root.requiresGrad(false);
  for (const layer of wrapped.values())
    if (layer instanceof nn.AdapterLayer && layer.active !== null)
      for (const p of layer.adapterParameters(layer.active)) p.requiresGrad = true;
  nn.replaceModules(root, (_child, path) => wrapped.get(path) ?? null);
  setAdapter(root, adding.name);
  return [...wrapped.keys()];
}

/** Two methods on one module would hide each other's parameters from files of PEFT. */
function refuse(path: string, layer: nn.AdapterLayer, { method, name, owns }: Adding): void {
  const there = method === "LoRA" ? "IA3" : "LoRA";
  if (!owns(layer))
    throw new OptionError(
      `${method}: ${path} has ${there} already. A module takes one method; several adapters of one method are fine.`,
    );
  if (layer.adapters.includes(name))
    throw new OptionError(`${method}: ${path} has an adapter called "${name}" already.`);
}

/** A layer in eval() mode stays in it: its adapter has no dropout either. */
function inModeOf({ training }: nn.Module, layer: nn.Module | null): nn.Module | null {
  if (layer) layer.training = training;
  return layer;
}

const pair = (path: string, layer: nn.Module | null): [string, nn.Module][] => (layer ? [[path, layer]] : []);

function nothingHit(root: nn.Module, method: string, targets: Targets, misfits: readonly string[]): OptionError {
  if (misfits.length > 0)
    return new OptionError(`${method}: it has no form for ${misfits.slice(0, 3).join(", ")}. Name linear layers.`);
  const names = [...new Set([...root.namedModules()].flatMap(([path, m]) => (isLinear(m) ? [last(path)] : [])))].sort();
  if (targets instanceof RegExp || targets === "all-linear")
    return new OptionError(
      `${method}: ${targets} fits no path of the model's modules. Its linear layers are called ${names.join(", ")}.`,
    );
  const hints = [...targets].map((name) => io.didYouMean(name, names)).join("");
  return new OptionError(
    `${method}: no module is called ${[...targets].join(", ")}. ${hints}The linear layers of this model are called ${names.join(", ")}.`,
  );
}

const last = (path: string) => path.slice(path.lastIndexOf(".") + 1);

/** The shortest names that hit just these paths among all modules of `root`: what `target_modules` of a file says. */
export function shortestTargets(root: nn.Module, paths: readonly string[]): string[] {
  const wanted = new Set(paths);
  const others = [...root.namedModules()].map(([path]) => path).filter((path) => !wanted.has(path));
  const shortest = (path: string) => {
    const parts = path.split(".");
    const ends = parts.map((_, i) => parts.slice(parts.length - 1 - i).join("."));
    return ends.find((end) => !others.some((other) => other === end || other.endsWith(`.${end}`))) ?? path;
  };
  const names = new Set(paths.map(shortest));
  // `dense` of one path may be the end of another's longer name.
  return [...names].filter((name) => ![...names].some((shorter) => shorter !== name && name.endsWith(`.${shorter}`)));
}
