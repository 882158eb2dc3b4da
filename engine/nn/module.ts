import type { WarmUpOptions } from "../device/warm-up.js";
import { isFloat } from "../dtype.js";
import { ConsiliumError, ShapeError } from "../errors.js";
import { sameShape } from "../shape.js";
import { clearGrad, Tensor } from "../tensor.js";

type Child = Module | Tensor | readonly Child[] | { readonly [name: string]: Child } | unknown;

/**
 * A part of a model: parameters, other modules, and a `forward`. Property names are the state-dict names, so a
 * checkpoint of PyTorch loads with no table in between.
 */
export abstract class Module {
  /** Whether dropout and drop path are on; set by `train` and `eval`. */
  training = true;

  /**
   * Every parameter with its path (`encoder.layer.0.attention.self.query.weight`), in order of definition. A tensor that
   * stands in two places (tied weights) comes once, under its first path.
   */
  *namedParameters(prefix = "", seen: Set<Tensor> = new Set()): Generator<[string, Tensor]> {
    for (const [path, child] of children(this, prefix))
      if (child instanceof Module) yield* child.namedParameters(path, seen);
      else if (!seen.has(child)) {
        seen.add(child);
        yield [path, child];
      }
  }

  /** The tensors of `namedParameters`, without their paths. */
  *parameters(): Generator<Tensor> {
    for (const [, p] of this.namedParameters()) yield p;
  }

  /** Every module below this one with its path, itself first under the path "". */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [path, child] of children(this, prefix)) if (child instanceof Module) yield* child.namedModules(path);
  }

  /** Turns dropout and drop path on (or off), here and below. */
  train(on = true): this {
    for (const [, m] of this.namedModules()) m.training = on;
    return this;
  }

  /** `train(false)`: as a finished model is used. */
  eval(): this {
    return this.train(false);
  }

  /** Asks for gradients of all parameters, or of none. Integers, such as quantised weights, and `state` never have one. */
  requiresGrad(on = true): this {
    const state = new Set([...this.namedModules()].flatMap(([, m]) => m.state()));
    for (const p of this.parameters()) p.requiresGrad = on && isFloat(p.dtype) && !state.has(p);
    return this;
  }

  /** Own tensors that are saved and loaded, but set by other means than gradients: PyTorch's buffers. */
  protected state(): readonly Tensor[] {
    return [];
  }

  /** Frees the gradients of all parameters. */
  zeroGrad(): void {
    for (const p of this.parameters()) clearGrad(p);
  }

  /** Throws with every parameter that `state` lacks or has in another shape. `source` names where it came from. */
  checkState(state: ReadonlyMap<string, { readonly shape: readonly number[] }>, source: string): void {
    checkParameters(this.namedParameters(), state, source);
  }

  /** Copies values in by name; all names must be there, with their shapes. */
  loadState(state: ReadonlyMap<string, { shape: readonly number[]; values: ArrayLike<number> }>): void {
    this.checkState(state, "loadState");
    for (const [name, p] of this.namedParameters()) p.write((state.get(name) as { values: ArrayLike<number> }).values);
  }

  /**
   * Compiles what `step` launches before its first call: `warmUp` of the device that this module is on. `step` is a training
   * step or a forward on tensors of the shapes that will come; nothing of it runs.
   */
  async warmUp(step: () => unknown, options?: WarmUpOptions): Promise<void> {
    const [first] = this.parameters();
    await first?.device.warmUp(step, options);
  }

  /** Frees every parameter, and what the modules below hold beside theirs. */
  dispose(): void {
    for (const [, child] of children(this, "")) child.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws with every one of `parameters` that `state` lacks or has in another shape. `source` names where it came from. */
export function checkParameters(
  parameters: Iterable<readonly [string, { readonly shape: readonly number[] }]>,
  state: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  source: string,
): void {
  const wrong: string[] = [];
  for (const [name, p] of parameters) {
    const found = state.get(name);
    if (!found) wrong.push(`${name}: missing`);
    else if (!sameShape(found.shape, p.shape))
      wrong.push(`${name}: [${found.shape.join(", ")}] in the file, [${p.shape.join(", ")}] in the model`);
  }
  if (wrong.length)
    throw new ShapeError(
      `${source}: ${wrong.length} tensors do not fit the model. Give a checkpoint of the same sizes:\n  ${wrong.join("\n  ")}`,
    );
}

function* children(owner: object, prefix: string): Generator<[string, Tensor | Module]> {
  for (const [name, child] of Object.entries(owner) as [string, Child][]) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (child instanceof Tensor || child instanceof Module) yield [path, child];
    else if (Array.isArray(child) || (child && Object.getPrototypeOf(child) === Object.prototype))
      yield* children(child, path);
  }
}

/**
 * Walks the modules below `root`, through properties, arrays and plain objects: what `f` gives stands in the child's place,
 * null keeps the child and goes on below it. For tuning methods that wrap layers; paths are those of `namedModules`.
 */
export function replaceModules(root: Module, f: (child: Module, path: string) => Module | null): void {
  const visit = (owner: object, prefix: string) => {
    for (const [name, child] of Object.entries(owner) as [string, Child][]) {
      const path = prefix ? `${prefix}.${name}` : name;
      if (child instanceof Module) {
        const other = f(child, path);
        if (other) (owner as Record<string, unknown>)[name] = other;
        else visit(child, path);
      } else if (Array.isArray(child) || (child && Object.getPrototypeOf(child) === Object.prototype)) {
        visit(child, path);
      }
    }
  };
  visit(root, "");
}

/** Paths of modules, filled in when an error wants to name one. */
const paths = new WeakMap<Module, string>();

/** Remembers the path of every module below `root`, so that errors can name where they arose. */
export function namePaths(root: Module): void {
  for (const [path, m] of root.namedModules()) paths.set(m, path);
}

/** Runs a module's forward; an error that passes through gains the module's path. */
export function at<T>(module: Module, f: () => T): T {
  try {
    return f();
  } catch (error) {
    const path = paths.get(module);
    if (path && error instanceof ConsiliumError) error.atModule(`${module.constructor.name} "${path}"`);
    throw error;
  }
}
