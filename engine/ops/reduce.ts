import { REDUCE } from "../../kernels/reduce/functions.js";
import * as kernels from "../../kernels/reduce/kernels.js";
import { toFloat } from "../dispatch/convert.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import type { FloatDType } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { dimIndex, type Shape, sizeOf } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty } from "./moves.js";
import { reshape, viewAs } from "./reshape.js";
import { broadcastStrides, contiguousStrides } from "./strides.js";

/** Which dimensions a reduction goes over. */
export interface ReduceOptions {
  /** One dimension or several, negative ones from the end. Default: all. */
  dim?: number | readonly number[];
  /** Whether reduced dimensions stay, with size 1. */
  keepDim?: boolean;
}

interface Reduction {
  /** Sorted, none twice. */
  readonly dims: readonly number[];
  readonly keepDim: boolean;
}

function reduction(op: string, x: Tensor, { dim, keepDim = false }: ReduceOptions): Reduction {
  const given = dim === undefined ? x.shape.map((_, i) => i) : typeof dim === "number" ? [dim] : dim;
  const dims = [...new Set(given.map((d) => dimIndex(op, d, x.rank)))].sort((a, b) => a - b);
  if (dims.length < given.length) throw new ShapeError(`${op}: dim [${given.join(", ")}] names a dimension twice.`);
  return { dims, keepDim };
}

const kept = (shape: Shape, dims: readonly number[]): Shape => shape.map((d, i) => (dims.includes(i) ? 1 : d));

const result = (shape: Shape, { dims, keepDim }: Reduction): Shape =>
  keepDim ? kept(shape, dims) : shape.filter((_, i) => !dims.includes(i));

/** One launch: L elements of x [O,L,I] become one. */
interface Step {
  readonly O: number;
  readonly L: number;
  readonly I: number;
}

/** Neighbouring dimensions are reduced together, the last ones first; at least one step. */
function steps(shape: Shape, dims: readonly number[]): Step[] {
  const out: Step[] = [];
  let inner = 1;
  for (let i = shape.length - 1; i >= 0; ) {
    let length = 1;
    for (; i >= 0 && (dims.includes(i) || shape[i] === 1); i--) length *= shape[i];
    if (length !== 1) out.push({ O: sizeOf(shape.slice(0, i + 1)), L: length, I: inner });
    for (; i >= 0 && !dims.includes(i) && shape[i] !== 1; i--) inner *= shape[i];
  }
  return out.length > 0 ? out : [{ O: sizeOf(shape), L: 1, I: 1 }];
}

/** scale · Σ over `dims`, in the given shape. Sums on the way are f32 whatever the type of x: f16 ends at 65,504. */
function sumOver(x: Tensor, dims: readonly number[], shape: Shape, scale: number): Tensor {
  const list = steps(x.shape, dims);
  if (list.length > 1 && x.dtype !== "f32") {
    const wide = toFloat(x, "f32");
    const sum = sumOver(wide, dims, shape, scale);
    wide.dispose();
    const y = toFloat(sum, x.dtype as FloatDType);
    sum.dispose();
    return y;
  }
  let current = x;
  list.forEach(({ O, L, I }, i) => {
    const last = i === list.length - 1;
    const args = { x: current, y: last ? shape : [O, I] };
    const { y } = run(x.device, kernels.forward, args, { O, L, I, f: REDUCE.sum, scale: last ? scale : 1 });
    if (current !== x) current.dispose();
    current = y;
  });
  return current;
}

/** scale · t summed over the dimensions that `shape` was stretched in; `t` itself where nothing is to be done. */
export function sumTo(t: Tensor, shape: Shape, scale = 1): Tensor {
  const missing = t.rank - shape.length;
  const dims = t.shape.flatMap((d, i) => (i < missing || (shape[i - missing] === 1 && d !== 1) ? [i] : []));
  if (scale === 1 && dims.every((d) => t.shape[d] === 1)) return viewAs(t, shape);
  return sumOver(t, dims, shape, scale);
}

/** dy stretched over the reduced dimensions. */
function spread(op: string, dy: Tensor, shape: Shape, dims: readonly number[]): Tensor {
  const dx = empty(dy.device, shape, dy.dtype, op);
  const strides = broadcastStrides(kept(shape, dims), shape);
  copyStrided(op, dy, { strides }, dx, { strides: contiguousStrides(shape) }, shape);
  return dx;
}

export const sumOp = defineOp({
  name: "sum",
  autocast: "f32",
  inputs: { x: float("...") },

  forward({ x }, options: ReduceOptions) {
    const r = reduction("sum", x, options);
    return { y: sumOver(x, r.dims, result(x.shape, r), 1), kept: { shape: x.shape, dims: r.dims } };
  },

  gradient(_saved, dy, { kept: { shape, dims } }) {
    return { x: spread("sum", dy, shape, dims) };
  },
});

export const meanOp = defineOp({
  name: "mean",
  autocast: "f32",
  inputs: { x: float("...") },

  forward({ x }, options: ReduceOptions) {
    const r = reduction("mean", x, options);
    const count = r.dims.reduce((n, d) => n * x.shape[d], 1);
    return { y: sumOver(x, r.dims, result(x.shape, r), 1 / count), kept: { shape: x.shape, dims: r.dims, count } };
  },

  gradient(_saved, dy, { kept: { shape, dims, count } }) {
    const scaled = sumOver(dy, [], dy.shape, 1 / count);
    const dx = spread("mean", scaled, shape, dims);
    scaled.dispose();
    return { x: dx };
  },
});

/** Over dimensions that lie together: one step, so that the first extremum is well defined. */
const extremumOp = (name: "max" | "min") =>
  defineOp({
    name,
    inputs: { x: float("...") },

    forward({ x }, options: ReduceOptions, { run }) {
      const r = reduction(name, x, options);
      const list = steps(x.shape, r.dims);
      if (list.length > 1) throw new ShapeError(`${name}: dims [${r.dims.join(", ")}] do not lie together.`);
      const [step] = list;
      if (step.L === 0) throw new ShapeError(`${name}: [${x.shape.join(", ")}] has no element along dim ${r.dims}.`);
      const { y } = run(kernels.forward, { x, y: result(x.shape, r) }, { ...step, f: REDUCE[name], scale: 1 });
      return { y, saves: { x, y }, kept: step };
    },

    gradient({ x, y }, dy, { kept: step, run }) {
      return { x: run(kernels.backwardExtremum, { dy, x, y, dx: x.shape }, { ...step }).dx };
    },
  });

export const maxOp = extremumOp("max");
export const minOp = extremumOp("min");

/** Reduces group by group, the last dimensions first: the first extremum is then that of the row-major order. */
function extremum(op: typeof maxOp, x: Tensor, options: ReduceOptions): Tensor {
  const r = reduction(op.opName, x, options);
  const groups: number[][] = [];
  for (const d of r.dims) {
    const last = groups.at(-1);
    if (last && last[last.length - 1] === d - 1) last.push(d);
    else groups.push([d]);
  }
  if (groups.length <= 1) return op({ x }, { dim: r.dims, keepDim: r.keepDim });
  let current = x;
  for (const dim of groups.reverse()) {
    const next = op({ x: current }, { dim, keepDim: true });
    if (current !== x) current.dispose();
    current = next;
  }
  if (r.keepDim) return current;
  const y = reshape(current, result(x.shape, r));
  current.dispose();
  return y;
}

/** Σ x over `dim`, by blocks of fixed size: the same bits whatever the number of threads. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return sumOp({ x }, options);
}

/** The mean over `dim`; NaN over no elements. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return meanOp({ x }, options);
}

/** The largest element over `dim`, NaN if there is one. The gradient goes to the first of equal ones. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extremum(maxOp, x, options);
}

/** The smallest element over `dim`, NaN if there is one. The gradient goes to the first of equal ones. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extremum(minOp, x, options);
}
