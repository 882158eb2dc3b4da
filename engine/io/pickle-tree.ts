import { FileFormatError } from "./errors.js";

const MAX_DEPTH = 200;
/** Nodes that a walk may come to, for each that stands in the pickle, and beside them: who walks the tree makes something of each. */
const [EXPANSION, SPARE_NODES] = [4, 1e5];

/** A value that exists only while unpickling: a function, a storage. None may be left in the result. */
export abstract class Internal {
  abstract readonly description: string;
}

const childrenOf = (value: object): unknown[] | null =>
  Array.isArray(value) ? value : value instanceof Map ? [...value.keys(), ...value.values()] : null;

/** Refuses cycles, deep nesting, explosive sharing and left-over internals: what remains is safe to walk recursively. */
export function checkTree(root: unknown, file: string): void {
  const fail = (what: string) =>
    new FileFormatError(file, `${what} in the pickle`, "Save only tensors, numbers, strings and containers");
  /** Nodes and depth of each finished container; null while it is open. */
  const sizes = new Map<object, { nodes: number; depth: number } | null>();
  let written = 0;
  const open: { container: object; children: unknown[]; next: number; nodes: number; depth: number }[] = [];
  const enter = (value: unknown) => {
    written++;
    if (value instanceof Internal) throw fail(`${value.description} stands as a value`);
    const children = typeof value === "object" && value !== null ? childrenOf(value) : null;
    const parent = open.at(-1);
    if (!children) {
      if (parent) parent.nodes++;
      return;
    }
    const container = value as object;
    const known = sizes.get(container);
    if (known === null) throw fail("a container that contains itself");
    if (known) return add(parent, known);
    if (open.length >= MAX_DEPTH) throw fail(`nesting of more than ${MAX_DEPTH} levels`);
    sizes.set(container, null);
    open.push({ container, children, next: 0, nodes: 1, depth: 1 });
  };
  const add = (parent: (typeof open)[number] | undefined, { nodes, depth }: { nodes: number; depth: number }) => {
    if (!parent) return;
    parent.nodes += nodes;
    parent.depth = Math.max(parent.depth, depth + 1);
    if (parent.nodes > EXPANSION * written + SPARE_NODES) throw fail("containers that are shared over and over");
    if (parent.depth > MAX_DEPTH) throw fail(`nesting of more than ${MAX_DEPTH} levels`);
  };
  enter(root);
  for (let current = open.at(-1); current; current = open.at(-1)) {
    if (current.next < current.children.length) {
      enter(current.children[current.next++]);
      continue;
    }
    open.pop();
    sizes.set(current.container, { nodes: current.nodes, depth: current.depth });
    add(open.at(-1), current);
  }
}
