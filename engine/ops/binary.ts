import { BINARY, type BinaryName } from "../../kernels/elementwise/functions.js";
import * as kernels from "../../kernels/elementwise/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import { OptionError } from "../errors.js";
import { broadcastShapes, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";
import { broadcastStrides, collapse, padded } from "./strides.js";
import { clamp, scale } from "./unary.js";

/** f(a, b) over the shape that both broadcast to, not recorded. */
function apply(op: string, name: BinaryName, a: Tensor, b: Tensor): Tensor {
  const f = BINARY[name];
  if (sameShape(a.shape, b.shape)) return run(a.device, kernels.binary, { a, b, y: a.shape }, { n: a.size, f }).y;
  const shape = broadcastShapes(op, a.shape, b.shape);
  const grid = collapse(shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]);
  const [d0, d1, d2, d3, d4, d5] = padded(op, grid.sizes, 1);
  const [a0, a1, a2, a3, a4, a5] = padded(op, grid.strides[0], 0);
  const [b0, b1, b2, b3, b4, b5] = padded(op, grid.strides[1], 0);
  const n = shape.reduce((size, d) => size * d, 1);
  const strides = { a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5 };
  return run(a.device, kernels.binaryBroadcast, { a, b, y: shape }, { n, f, d0, d1, d2, d3, d4, d5, ...strides }).y;
}

type Saved = { readonly [K in "a" | "b" | "y"]: Tensor | null };
/** The gradient of one input before the sum over what it was stretched in, which `sign` multiplies. */
type Partial = (dy: Tensor, saved: { readonly [K in keyof Saved]: Tensor }) => Tensor;

interface Rule {
  /** What each partial reads. */
  readonly reads: Readonly<Record<"a" | "b", readonly (keyof Saved)[]>>;
  readonly a: Partial;
  readonly b: Partial;
  readonly signB?: -1;
}

/** One partial product after another; what lies between is freed. */
function chain(op: string, dy: Tensor, ...factors: readonly [BinaryName, Tensor][]): Tensor {
  let current = dy;
  for (const [name, other] of factors) {
    const next = apply(op, name, current, other);
    if (current !== dy) current.dispose();
    current = next;
  }
  return current;
}

/** dy times the share of `x` in an extremum of it and `other`: a half each where they are equal. */
function share(op: string, dy: Tensor, greater: Tensor, smaller: Tensor): Tensor {
  const part = apply(op, "greaterShare", greater, smaller);
  const out = apply(op, "mul", dy, part);
  part.dispose();
  return out;
}

const same: Partial = (dy) => dy;

/** One for all calls: each on the tape holds its options. */
const NO_OPTIONS: Record<string, never> = {};

const binaryOp = (name: string, f: BinaryName, rule: Rule) =>
  defineOp({
    name,
    inputs: { a: float("..."), b: float("...") },

    forward({ a, b }, _options: Record<string, never>) {
      const y = apply(name, f, a, b);
      const reads = [...(a.tracked ? rule.reads.a : []), ...(b.tracked ? rule.reads.b : [])];
      const save = (key: keyof Saved, t: Tensor) => (reads.includes(key) ? t : null);
      const saves: Saved = { a: save("a", a), b: save("b", b), y: save("y", y) };
      return { y, saves, kept: { a: a.shape, b: b.shape } };
    },

    gradient(saved, dy, { kept: shapes, needs }) {
      const of = (key: "a" | "b", sign: number) => {
        const full = rule[key](dy, saved as Parameters<Partial>[1]);
        const out = sumTo(full, shapes[key], sign);
        if (full !== dy && full !== out) full.dispose();
        return out;
      };
      return { a: needs.a ? of("a", 1) : null, b: needs.b ? of("b", rule.signB ?? 1) : null };
    },
  });

export const addOp = binaryOp("add", "add", { reads: { a: [], b: [] }, a: same, b: same });

export const subOp = binaryOp("sub", "sub", { reads: { a: [], b: [] }, a: same, b: same, signB: -1 });

export const mulOp = binaryOp("mul", "mul", {
  reads: { a: ["b"], b: ["a"] },
  a: (dy, { b }) => apply("mul", "mul", dy, b),
  b: (dy, { a }) => apply("mul", "mul", dy, a),
});

export const divOp = binaryOp("div", "div", {
  reads: { a: ["b"], b: ["b", "y"] },
  a: (dy, { b }) => apply("div", "div", dy, b),
  b: (dy, { b, y }) => chain("div", dy, ["mul", y], ["div", b]),
  signB: -1,
});

export const maximumOp = binaryOp("maximum", "max", {
  reads: { a: ["a", "b"], b: ["a", "b"] },
  a: (dy, { a, b }) => share("maximum", dy, a, b),
  b: (dy, { a, b }) => share("maximum", dy, b, a),
});

export const minimumOp = binaryOp("minimum", "min", {
  reads: { a: ["a", "b"], b: ["a", "b"] },
  a: (dy, { a, b }) => share("minimum", dy, b, a),
  b: (dy, { a, b }) => share("minimum", dy, a, b),
});

/** a + b. Shapes broadcast by NumPy's rule, in all functions of this file. */
export function add(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? scale(a, 1, b) : addOp({ a, b }, NO_OPTIONS);
}

/** a - b */
export function sub(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? scale(a, 1, -b) : subOp({ a, b }, NO_OPTIONS);
}

/** a · b by element. */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? scale(a, b) : mulOp({ a, b }, NO_OPTIONS);
}

/** a / b by element; a number divides as its reciprocal multiplies. */
export function div(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? scale(a, 1 / b) : divOp({ a, b }, NO_OPTIONS);
}

/** The larger of a and b by element, NaN if either is. Equal tensors share the gradient; with a number it goes to a. */
export function maximum(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? clamp(a, { min: bound("maximum", b) }) : maximumOp({ a, b }, NO_OPTIONS);
}

/** The smaller of a and b by element, NaN if either is. Equal tensors share the gradient; with a number it goes to a. */
export function minimum(a: Tensor, b: Tensor | number): Tensor {
  return typeof b === "number" ? clamp(a, { max: bound("minimum", b) }) : minimumOp({ a, b }, NO_OPTIONS);
}

function bound(op: string, b: number): number {
  if (Number.isNaN(b)) throw new OptionError(`${op}: b is NaN. Pass a number or a tensor.`);
  return b;
}
