import { GradientError } from "./errors.js";
import { add, copy, ones } from "./gradient-math.js";
import { keep } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** A gradient rule's answer: one entry per input it was asked for. */
export type Gradients = readonly (Tensor | null | undefined)[];

/** One recorded op: how to go from the gradients of its outputs to those of its inputs. */
export class Node {
  readonly name: string;
  /** Inputs that the tape follows; others are null. */
  readonly inputs: readonly (Tensor | null)[];
  /** Where each followed input came from; null for leaves. */
  readonly sources: readonly (Node | null)[];
  readonly outputs: number;
  readonly id: number;
  #rule: ((dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[]) => Gradients) | null;
  #free: () => void;
  /** Output tensors and later nodes that refer to it. */
  #refs = 0;

  constructor(
    name: string,
    inputs: readonly (Tensor | null)[],
    outputs: number,
    rule: (dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[]) => Gradients,
    free: () => void,
  ) {
    this.name = name;
    this.inputs = inputs.map((t) => (t?.tracked ? t : null));
    this.sources = inputs.map((t) => t?.node ?? null);
    this.outputs = outputs;
    this.id = created++;
    this.#rule = rule;
    this.#free = free;
    for (const source of this.sources) source?.retain();
  }

  retain(): void {
    this.#refs++;
  }

  /** Lets go of what it saved when nothing can reach it any more. Iterative: graphs are deeper than the stack. */
  release(): void {
    const queue: Node[] = [this];
    for (let node = queue.pop(); node; node = queue.pop()) {
      if (--node.#refs > 0) continue;
      node.#drop();
      for (const source of node.sources) if (source) queue.push(source);
    }
  }

  gradients(dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[]): Gradients {
    if (!this.#rule)
      throw new GradientError(
        `${this.name}: backward ran through this result before, and what it saved is gone. Run the forward again.`,
      );
    const found = this.#rule(dys, into);
    this.#drop();
    return found;
  }

  #drop(): void {
    if (!this.#rule) return;
    this.#rule = null;
    this.#free();
  }
}

let created = 0;
let enabled = true;

export const recording = (): boolean => enabled;

/** Runs `f` without recording: results have no history, nothing is saved. */
export function noGrad<T>(f: () => T): T {
  return withRecording(false, f);
}

export function withRecording<T>(on: boolean, f: () => T): T {
  const before = enabled;
  enabled = on;
  try {
    return f();
  } finally {
    enabled = before;
  }
}

/** Which output of its node a tensor is. */
const positions = new WeakMap<Tensor, number>();

export function attach(node: Node, outputs: readonly Tensor[]): void {
  outputs.forEach((output, i) => {
    output.node = node;
    node.retain();
    if (i > 0) positions.set(output, i);
  });
}

/** A gradient on its way, and whether the walk may change it in place. */
interface Pending {
  value: Tensor;
  owned: boolean;
}

/**
 * Walks back from `roots` in reverse order of recording. `leaf` receives the finished gradient of every leaf that asks
 * for one; `existing` gives one that kernels may add to in place.
 */
export function walk(
  roots: readonly Tensor[],
  dys: readonly Tensor[],
  leaf: (tensor: Tensor, gradient: Tensor, owned: boolean) => void,
): void {
  const pending = new Map<Node, (Pending | null)[]>();
  const leaves = new Map<Tensor, Pending>();
  const nodes = reachable(roots);

  const slot = (source: Node | null, tensor: Tensor): Pending | null =>
    source ? (pending.get(source)?.[positions.get(tensor) ?? 0] ?? null) : (leaves.get(tensor) ?? null);

  const deliver = (source: Node | null, tensor: Tensor, gradient: Tensor, owned: boolean) => {
    const before = slot(source, tensor);
    let next: Pending;
    if (!before) next = { value: gradient, owned };
    else if (before.value === gradient) return;
    else {
      const value = add(before.value, gradient, before.owned);
      if (value !== before.value && before.owned) before.value.dispose();
      if (owned) gradient.dispose();
      next = { value, owned: true };
    }
    if (!source) leaves.set(tensor, next);
    else {
      let entries = pending.get(source);
      if (!entries) {
        entries = new Array<Pending | null>(source.outputs).fill(null);
        pending.set(source, entries);
      }
      entries[positions.get(tensor) ?? 0] = next;
    }
  };

  withRecording(false, () => {
    roots.forEach((root, i) => deliver(root.node, root, dys[i], false));
    for (const node of nodes) {
      const entries = pending.get(node);
      if (!entries) continue;
      pending.delete(node);
      const incoming = entries.map((p) => p?.value ?? null);
      const into = node.inputs.map((t, i) => {
        const p = t ? slot(node.sources[i], t) : null;
        return p?.owned ? p.value : null;
      });
      const gradients = node.gradients(incoming, into);
      node.inputs.forEach((input, i) => {
        const gradient = gradients[i];
        if (!input || !gradient) return;
        const passedOn = incoming.includes(gradient) || gradients.indexOf(gradient) !== i;
        deliver(node.sources[i], input, gradient, !passedOn && gradient.storage.refs === 1);
      });
      for (const p of entries) if (p?.owned && !gradients.includes(p.value)) p.value.dispose();
    }
    for (const [tensor, p] of leaves) leaf(tensor, p.value, p.owned);
  });
}

/** Every node that a root depends on, latest first. */
function reachable(roots: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const queue = roots.flatMap((r) => (r.node ? [r.node] : []));
  for (let node = queue.pop(); node; node = queue.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const source of node.sources) if (source) queue.push(source);
  }
  return [...seen].sort((a, b) => b.id - a.id);
}

function checkRoot(loss: Tensor): void {
  if (loss.size !== 1)
    throw new GradientError(`backward: ${loss} has ${loss.size} elements. Reduce it to one (sum, mean) first.`);
  if (!loss.tracked)
    throw new GradientError(
      `backward: ${loss} has no history: it depends on no tensor with requiresGrad, was made under noGrad, or is itself a ` +
        "gradient (there is no second derivative).",
    );
}

/** `loss.backward()`: adds d(loss)/d(leaf) to `leaf.grad`. */
export function backward(loss: Tensor): void {
  checkRoot(loss);
  const seed = withRecording(false, () => ones(loss));
  walk([loss], [seed], accumulate);
  seed.dispose();
}

export function accumulate(tensor: Tensor, gradient: Tensor, owned: boolean): void {
  const before = tensor.grad;
  if (!before) {
    tensor.grad = keep(owned ? gradient : withRecording(false, () => copy(gradient)));
    return;
  }
  const sum = keep(add(before, gradient, true));
  if (sum !== before) before.dispose();
  if (owned) gradient.dispose();
  tensor.grad = sum;
}

/** d(loss)/d(tensor) for each of `tensors`, without touching any `grad`. A tensor the loss does not reach gives null. */
export function gradients(loss: Tensor, tensors: readonly Tensor[]): (Tensor | null)[] {
  checkRoot(loss);
  const found = new Map<Tensor, Tensor>();
  const seed = withRecording(false, () => ones(loss));
  const wanted = new Set(tensors);
  walk([loss], [seed], (tensor, gradient, owned) => {
    if (wanted.has(tensor)) found.set(tensor, owned ? gradient : copy(gradient));
    else if (owned) gradient.dispose();
  });
  seed.dispose();
  return tensors.map((t) => found.get(t) ?? null);
}
