import { GradientError } from "../errors.js";
import { keep, scope } from "../scope.js";
import { type Tensor, type Values, view } from "../tensor.js";
import { add, copy, ones } from "./gradient-math.js";
import { noGrad } from "./recording.js";

/** A gradient rule's answer: one entry per input it was asked for. */
export type Gradients = readonly (Tensor | null | undefined)[];

/** What a node does, and what that needs: one object, of which a step keeps as many as it has ops on the tape. */
export interface Rule {
  /**
   * Gradients of a node's inputs from those of its outputs. `into` holds, per input, a gradient that a kernel may add to in
   * place; `inputs` those that the tape follows. It may answer with the node's outputs instead, recorded anew: the walk goes
   * on from there.
   */
  gradients(
    dys: readonly (Tensor | null)[],
    into: readonly (Tensor | null)[],
    inputs: readonly (Edge | null)[],
  ): Gradients | Recomputed;
  /** Lets go of what it saved. Called once. */
  free?(): void;
}

/** The outputs of a node, computed again with their history. The walk frees them, unless they are leaves. */
export class Recomputed {
  readonly outputs: readonly Tensor[];

  constructor(outputs: readonly Tensor[]) {
    this.outputs = outputs;
  }
}

/**
 * Where the gradient of a tensor goes: to one output of the node that made it, or to the tensor itself where that is a leaf.
 * No tensor but a leaf is held: the collector may take those that their owner lost.
 */
export type Edge =
  | { readonly source: Node; readonly position: number; readonly leaf: null }
  | { readonly source: null; readonly position: 0; readonly leaf: Tensor };

export const edgeOf = (t: Tensor): Edge =>
  t.node ? { source: t.node, position: positions.get(t) ?? 0, leaf: null } : { source: null, position: 0, leaf: t };

/** One recorded op: how to go from the gradients of its outputs to those of its inputs. */
export class Node {
  readonly name: string;
  /** Inputs that the tape follows; others are null. */
  readonly inputs: readonly (Edge | null)[];
  readonly outputs: number;
  readonly id: number;
  #rule: Rule | null;
  /** Output tensors and later nodes that refer to it. */
  #refs = 0;

  constructor(name: string, inputs: readonly (Tensor | null)[], outputs: number, rule: Rule) {
    this.name = name;
    this.inputs = inputs.map((t) => (t?.tracked ? edgeOf(t) : null));
    this.outputs = outputs;
    this.id = created++;
    this.#rule = rule;
    for (const edge of this.inputs) edge?.source?.retain();
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
      for (const edge of node.inputs) if (edge?.source) queue.push(edge.source);
    }
  }

  gradients(dys: readonly (Tensor | null)[], into: readonly (Tensor | null)[]): Gradients | Recomputed {
    if (!this.#rule)
      throw new GradientError(
        `${this.name}: backward ran through this result before, and what it saved is gone. Run the forward again.`,
      );
    const found = this.#rule.gradients(dys, into, this.inputs);
    this.#drop();
    return found;
  }

  #drop(): void {
    const rule = this.#rule;
    this.#rule = null;
    rule?.free?.();
  }
}

let created = 0;

/** Which output of its node a tensor is. */
const positions = new WeakMap<Tensor, number>();

export function attach(node: Node, outputs: readonly Tensor[]): void {
  outputs.forEach((output, i) => {
    output.node = node;
    node.retain();
    if (i > 0) positions.set(output, i);
  });
}

/** Another handle on values and their history. */
export function sharing(values: Values, { source, position }: Edge): Tensor {
  const handle = view(values, values.shape);
  if (!source) return handle;
  handle.node = source;
  source.retain();
  if (position) positions.set(handle, position);
  return handle;
}

/**
 * Walks back from `roots` in reverse order of recording; `dys` stay their owner's. `leaf` receives the finished gradient of
 * every leaf that asks for one, and owns it.
 *
 * Each gradient on its way has a handle of its own, so that its memory goes as soon as nothing needs it; it may be changed
 * in place while no other handle shares that memory.
 */
export function walk(
  roots: readonly Tensor[],
  dys: readonly Tensor[],
  leaf: (tensor: Tensor, gradient: Tensor) => void,
): void {
  const pending = new Map<Node, (Tensor | null)[]>();
  const leaves = new Map<Tensor, Tensor>();
  const route = new Route();

  const slot = ({ source, position, leaf }: Edge): Tensor | null =>
    (source ? pending.get(source)?.[position] : leaves.get(leaf)) ?? null;

  const deliver = (edge: Edge, gradient: Tensor) => {
    const before = slot(edge);
    const next = before ? join(before, gradient) : gradient;
    const { source, position, leaf } = edge;
    if (!source) {
      leaves.set(leaf, next);
      return;
    }
    let entries = pending.get(source);
    if (!entries) {
      entries = new Array<Tensor | null>(source.outputs).fill(null);
      pending.set(source, entries);
    }
    entries[position] = next;
  };

  const spread = (node: Node, incoming: readonly (Tensor | null)[]) => {
    const into = node.inputs.map((edge) => {
      const before = edge && slot(edge);
      return before && exclusive(before) ? before : null;
    });
    const found = node.gradients(incoming, into);
    if (found instanceof Recomputed) {
      found.outputs.forEach((output, i) => {
        const dy = incoming[i];
        if (dy && output.tracked) deliver(edgeOf(output), view(dy, dy.shape));
        route.add(output);
      });
      for (const output of found.outputs) if (!output.requiresGrad) output.dispose();
      return;
    }
    node.inputs.forEach((edge, i) => {
      const gradient = found[i];
      if (!edge || !gradient || gradient === into[i]) return;
      const shared = incoming.includes(gradient) || found.indexOf(gradient) !== i;
      deliver(edge, shared ? view(gradient, gradient.shape) : gradient);
    });
  };

  noGrad(() => {
    try {
      roots.forEach((root, i) => {
        deliver(edgeOf(root), view(dys[i], dys[i].shape));
        route.add(root);
      });
      for (let node = route.next(); node; node = route.next()) {
        const incoming = pending.get(node);
        if (!incoming) continue;
        pending.delete(node);
        spread(node, incoming);
        for (const dy of incoming) dy?.dispose();
      }
      for (const [tensor, gradient] of leaves) leaf(tensor, gradient);
    } finally {
      route.close();
    }
  });
}

const exclusive = (t: Tensor): boolean => t.storage.refs === 1;

/** a + b, in the memory of one of them where that is free to change. */
function join(a: Tensor, b: Tensor): Tensor {
  const [target, other] = exclusive(a) || !exclusive(b) ? [a, b] : [b, a];
  const sum = add(target, other, exclusive(target));
  other.dispose();
  if (sum !== target) target.dispose();
  return sum;
}

/** The nodes to visit, latest first. Holds the last node of each root, so that no other goes while the walk is on. */
class Route {
  readonly #seen = new Set<Node>();
  readonly #held: Node[] = [];
  #ahead: Node[] = [];

  /** Everything that `root` depends on. */
  add(root: Tensor): void {
    if (!root.node) return;
    root.node.retain();
    this.#held.push(root.node);
    const queue = [root.node];
    for (let node = queue.pop(); node; node = queue.pop()) {
      if (this.#seen.has(node)) continue;
      this.#seen.add(node);
      this.#ahead.push(node);
      for (const edge of node.inputs) if (edge?.source) queue.push(edge.source);
    }
    this.#ahead.sort((a, b) => a.id - b.id);
  }

  next(): Node | undefined {
    return this.#ahead.pop();
  }

  close(): void {
    for (const node of this.#held) node.release();
  }
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
  scope(() => {
    const seed = ones(loss);
    walk([loss], [seed], accumulate);
  });
}

function accumulate(tensor: Tensor, gradient: Tensor): void {
  if (tensor.disposed) {
    gradient.dispose();
    return;
  }
  const before = tensor.grad;
  const { warming } = tensor.device.mode;
  if (warming) warming.lend(tensor, keep(before ? add(gradient, before, exclusive(gradient)) : owned(gradient)));
  else tensor.grad = keep(before ? join(before, gradient) : owned(gradient));
}

/** The gradient in memory of its own. */
function owned(gradient: Tensor): Tensor {
  if (exclusive(gradient)) return gradient;
  const out = copy(gradient);
  gradient.dispose();
  return out;
}

/**
 * d(loss)/d(leaf) for each of `leaves`, without touching any `grad`. A leaf that the loss does not reach gives null. Throws
 * GradientError for the result of an op: only leaves have gradients.
 */
export function gradients(loss: Tensor, leaves: readonly Tensor[]): (Tensor | null)[] {
  checkRoot(loss);
  for (const t of leaves)
    if (t.node)
      throw new GradientError(
        `gradients: ${t} is the result of ${t.node.name}, not a leaf. Ask for what it was made of.`,
      );
  return scope(() => {
    const found = new Map<Tensor, Tensor>();
    walk([loss], [ones(loss)], (tensor, gradient) => {
      if (leaves.includes(tensor)) found.set(tensor, owned(gradient));
    });
    return leaves.map((t) => found.get(t) ?? null);
  });
}
