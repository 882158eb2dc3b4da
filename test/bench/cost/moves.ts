import type { Counted, Counter, Tally } from "./tally.js";

const sizeOf = (shape: readonly number[]) => shape.reduce((n, size) => n * size, 1);

/** Coordinates of element i. */
function coordinates(i: number, shape: readonly number[]): number[] {
  const found = new Array<number>(shape.length);
  let rest = i;
  for (let d = shape.length - 1; d >= 0; d--) {
    found[d] = rest % shape[d];
    rest = Math.floor(rest / shape[d]);
  }
  return found;
}

const placeOf = (at: readonly number[], shape: readonly number[]) => shape.reduce((i, size, d) => i * size + at[d], 0);

const dimOf = (t: Tally, shape: readonly number[]) => ((t.options.dim as number) + shape.length) % shape.length;

/** Type of what is moved: integers stay what they are. */
function typeOf(t: Tally, name: string): string {
  const spec = t.c.inputs[name];
  return ("dtype" in spec && spec.dtype) || t.dtype;
}

/**
 * An op whose every element of y is one of x, or a zero: `source(i)`. The gradient of an element is that of its copies, added
 * where it may have several.
 */
function moving(
  outputOf: (t: Tally, x: readonly number[]) => readonly number[],
  sourceOf: SourceOf,
  adds = false,
): Counter {
  return {
    forward(t) {
      const x = t.input("x");
      const y = t.array(outputOf(t, x.shape), typeOf(t, "x"));
      const source = sourceOf(t, x.shape, y.shape);
      for (let i = 0; i < y.values.length; i++) {
        const from = source(i);
        y.set(i, from === null ? 0 : x.get(from));
      }
    },
    backward(t) {
      const { shape } = t.input("x");
      const dy = t.array(outputOf(t, shape), typeOf(t, "x"));
      const source = sourceOf(t, shape, dy.shape);
      const sums = new Float64Array(sizeOf(shape));
      const several = adds && dy.values.length !== sums.length;
      for (let i = 0; i < dy.values.length; i++) {
        const from = source(i);
        if (from === null) continue;
        sums[from] = several ? t.add(dy.get(i), sums[from]) : dy.get(i);
      }
      t.array(shape, typeOf(t, "x")).fill(sums);
    },
  };
}

type SourceOf = (t: Tally, x: readonly number[], y: readonly number[]) => (i: number) => number | null;

const permute = moving(
  (t, x) => (t.options.dims as readonly number[]).map((d) => x[d]),
  (t, x, y) => (i) => {
    const at = coordinates(i, y);
    const from = new Array<number>(x.length);
    (t.options.dims as readonly number[]).forEach((d, k) => {
      from[d] = at[k];
    });
    return placeOf(from, x);
  },
);

const slice = moving(
  (t, x) => x.with(dimOf(t, x), t.options.length),
  (t, x, y) => (i) => {
    const at = coordinates(i, y);
    at[dimOf(t, x)] += t.options.start as number;
    return placeOf(at, x);
  },
);

const pad = moving(
  (t, x) => {
    const d = dimOf(t, x);
    return x.with(d, x[d] + t.options.before + t.options.after);
  },
  (t, x, y) => (i) => {
    const d = dimOf(t, x);
    const at = coordinates(i, y);
    at[d] -= t.options.before as number;
    return at[d] < 0 || at[d] >= x[d] ? null : placeOf(at, x);
  },
);

const expand = moving(
  (t) => t.options.shape as readonly number[],
  (_, x, y) => (i) => {
    const at = coordinates(i, y).slice(y.length - x.length);
    return placeOf(
      at.map((c, d) => (x[d] === 1 ? 0 : c)),
      x,
    );
  },
  true,
);

const repeatInterleave = moving(
  (t, x) => {
    const d = dimOf(t, x);
    return x.with(d, x[d] * t.options.repeats);
  },
  (t, x, y) => (i) => {
    const at = coordinates(i, y);
    const d = dimOf(t, x);
    at[d] = Math.floor(at[d] / t.options.repeats);
    return placeOf(at, x);
  },
  true,
);

function concat(t: Tally, isBackward: boolean): void {
  for (const name of Object.keys(t.c.inputs)) {
    const x = t.input(name);
    const part = t.array(x.shape, typeOf(t, name));
    const [from, to] = isBackward ? [t.array(x.shape, typeOf(t, name)), part] : [x, part];
    for (let i = 0; i < x.values.length; i++) to.set(i, from.get(i));
  }
}

/** Element of x, or base, that element i of index (or of what index chooses) means. */
const chosen =
  (t: Tally, index: Counted, x: readonly number[], y: readonly number[], whole: boolean) => (i: number) => {
    const d = dimOf(t, x);
    const at = coordinates(i, y);
    at[d] = index.get(whole ? i : at[d]);
    return placeOf(at, x);
  };

/** Rows by an index of one dimension, or elements by one as large as y. */
function selecting(whole: boolean): Counter {
  const shapeOf = (t: Tally, index: Counted, x: readonly number[]) =>
    whole ? index.shape : x.with(dimOf(t, x), index.values.length);
  return {
    forward(t) {
      const [x, index] = [t.input("x"), t.input("index")];
      const y = t.array(shapeOf(t, index, x.shape), typeOf(t, "x"));
      const from = chosen(t, index, x.shape, y.shape, whole);
      for (let i = 0; i < y.values.length; i++) y.set(i, x.get(from(i)));
    },
    backward(t) {
      const [{ shape }, index] = [t.input("x"), t.input("index")];
      const dy = t.array(shapeOf(t, index, shape), typeOf(t, "x"));
      const to = chosen(t, index, shape, dy.shape, whole);
      const sums = new Float64Array(sizeOf(shape));
      for (let i = 0; i < dy.values.length; i++) sums[to(i)] = t.add(dy.get(i), sums[to(i)]);
      t.array(shape, typeOf(t, "x")).fill(sums);
    },
  };
}

function adding(whole: boolean): Counter {
  return {
    forward(t) {
      const [base, index, x] = [t.input("base"), t.input("index"), t.input("x")];
      const sums = Float64Array.from(base.values, (_, i) => base.get(i));
      const to = chosen(t, index, base.shape, x.shape, whole);
      for (let i = 0; i < x.values.length; i++) sums[to(i)] = t.add(x.get(i), sums[to(i)]);
      t.array(base.shape).fill(sums);
    },
    backward(t) {
      const [{ shape }, index, x] = [t.input("base"), t.input("index"), t.input("x")];
      const dy = t.array(shape);
      const from = chosen(t, index, shape, x.shape, whole);
      const dx = t.array(x.shape);
      for (let i = 0; i < x.values.length; i++) dx.set(i, dy.get(from(i)));
    },
  };
}

const embedding: Counter = {
  forward(t) {
    const [weight, ids] = [t.input("weight"), t.input("ids")];
    const C = weight.shape[1];
    const y = t.array([ids.values.length, C]);
    for (let i = 0; i < ids.values.length; i++)
      for (let c = 0, id = ids.get(i); c < C; c++) y.set(i * C + c, weight.get(id * C + c));
  },
  backward(t) {
    const [{ shape }, ids] = [t.input("weight"), t.input("ids")];
    const C = shape[1];
    const dy = t.array([ids.values.length, C]);
    const sums = new Float64Array(sizeOf(shape));
    for (let i = 0; i < ids.values.length; i++)
      for (let c = 0, id = ids.get(i); c < C; c++) sums[id * C + c] = t.add(dy.get(i * C + c), sums[id * C + c]);
    t.array(shape).fill(sums);
  },
};

const cast: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape, t.options.dtype);
    for (let i = 0; i < x.values.length; i++) y.set(i, x.get(i));
  },
  backward(t) {
    const { shape } = t.input("x");
    const dy = t.array(shape, t.options.dtype);
    const dx = t.array(shape, typeOf(t, "x"));
    for (let i = 0; i < dx.values.length; i++) dx.set(i, dy.get(i));
  },
};

function masked(t: Tally, from: Counted): void {
  const to = t.array(from.shape);
  for (let i = 0; i < to.values.length; i++) to.set(i, t.mul(from.get(i), i % 3 ? 1.5 : 0));
}

export const moves: Readonly<Record<string, Counter>> = {
  permute,
  slice,
  pad,
  expand,
  repeatInterleave,
  concat: { forward: (t) => concat(t, false), backward: (t) => concat(t, true) },
  indexSelect: selecting(false),
  gather: selecting(true),
  indexAdd: adding(false),
  scatterAdd: adding(true),
  embedding,
  cast,
  dropout: { forward: (t) => masked(t, t.input("x")), backward: (t) => masked(t, t.array(t.input("x").shape)) },
};
