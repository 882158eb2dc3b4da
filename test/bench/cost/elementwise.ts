import type { Counter, Tally } from "./tally.js";

/** A function of each element, whose derivative is one of x or of y. */
const unary: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape);
    for (let i = 0; i < x.values.length; i++) y.set(i, t.call(Math.exp, x.get(i)));
  },
  backward(t) {
    const { shape } = t.input("x");
    const [y, dy, dx] = [t.array(shape), t.array(shape), t.array(shape)];
    for (let i = 0; i < dx.values.length; i++) dx.set(i, t.mul(t.call(Math.exp, y.get(i)), dy.get(i)));
  },
};

/** alpha times the gradient; of steps 0 times it. */
const constantSlope = (t: Tally) => {
  const { shape } = t.input("x");
  const [dy, dx] = [t.array(shape), t.array(shape)];
  for (let i = 0; i < dx.values.length; i++) dx.set(i, t.mul(-1.5, dy.get(i)));
};

const affine: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape);
    for (let i = 0; i < x.values.length; i++) y.set(i, t.mulAdd(-1.5, x.get(i), 0.25));
  },
  backward: constantSlope,
};

const NAMES =
  "exp log sqrt rsqrt abs square reciprocal sin cos tanh sigmoid relu gelu geluTanh quickGelu silu clamp pow".split(
    " ",
  );

type Gradient = (t: Tally, a: () => number, b: () => number, dy: number) => readonly [da: number, db: number];

/** Places in a, b and y of each element of y, by stretching. */
function broadcast(a: readonly number[], b: readonly number[]) {
  const rank = Math.max(a.length, b.length);
  const full = (shape: readonly number[]) => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [left, right] = [full(a), full(b)];
  const shape = left.map((size, d) => (size === 1 ? right[d] : size));
  const count = shape.reduce((n, size) => n * size, 1);
  const place = (i: number, of: readonly number[]) => {
    let [found, stride, rest] = [0, 1, i];
    for (let d = rank - 1; d >= 0; d--) {
      if (of[d] !== 1) found += (rest % shape[d]) * stride;
      stride *= of[d];
      rest = Math.floor(rest / shape[d]);
    }
    return found;
  };
  return { shape, count, inA: (i: number) => place(i, left), inB: (i: number) => place(i, right) };
}

function binary(f: (t: Tally, a: number, b: number) => number, gradient: Gradient): Counter {
  return {
    forward(t) {
      const [a, b] = [t.input("a"), t.input("b")];
      const { shape, count, inA, inB } = broadcast(a.shape, b.shape);
      const y = t.array(shape);
      for (let i = 0; i < count; i++) y.set(i, f(t, a.get(inA(i)), b.get(inB(i))));
    },
    backward(t) {
      const [a, b] = [t.input("a"), t.input("b")];
      const { shape, count, inA, inB } = broadcast(a.shape, b.shape);
      const dy = t.array(shape);
      const sums = [a, b].map(({ values }) => new Float64Array(values.length));
      const put = (which: 0 | 1, at: number, value: number) => {
        const stretched = sums[which].length !== count;
        sums[which][at] = stretched ? t.add(value, sums[which][at]) : value;
      };
      for (let i = 0; i < count; i++) {
        const [da, db] = gradient(
          t,
          () => a.get(inA(i)),
          () => b.get(inB(i)),
          dy.get(i),
        );
        put(0, inA(i), da);
        put(1, inB(i), db);
      }
      t.array(a.shape).fill(sums[0]);
      t.array(b.shape).fill(sums[1]);
    },
  };
}

const share: Gradient = (t, a, b, dy) => {
  const first = t.sub(a(), b()) > 0 ? 1 : 0;
  return [t.mul(first, dy), t.mul(1 - first, dy)];
};

/** Along the dimensions of the options, all where there are none. */
function reducing(t: Tally, element: (i: number, out: number) => void): readonly number[] {
  const { shape, values } = t.input("x");
  const { dim } = t.options as { dim?: number | readonly number[] };
  const gone = dim === undefined ? shape.map((_, d) => d) : [dim].flat().map((d) => (d + shape.length) % shape.length);
  const kept = shape.map((size, d) => (gone.includes(d) ? 1 : size));
  for (let i = 0; i < values.length; i++) {
    let [out, stride, rest] = [0, 1, i];
    for (let d = shape.length - 1; d >= 0; d--) {
      if (!gone.includes(d)) out += (rest % shape[d]) * stride;
      stride *= kept[d];
      rest = Math.floor(rest / shape[d]);
    }
    element(i, out);
  }
  return kept;
}

const sum: Counter = {
  forward(t) {
    const x = t.input("x");
    const sums: number[] = [];
    const kept = reducing(t, (i, out) => {
      sums[out] = t.add(x.get(i), sums[out] ?? 0);
    });
    t.array(kept).fill(0);
  },
  backward(t) {
    const dx = t.array(t.input("x").shape);
    const dy = t.array(reducing(t, () => {}));
    reducing(t, (i, out) => void dx.set(i, dy.get(out)));
    // One of no element takes part in nothing, and has a gradient all the same.
    dy.touch();
  },
};

const extremum: Counter = {
  forward(t) {
    const x = t.input("x");
    const largest: number[] = [];
    const kept = reducing(t, (i, out) => {
      largest[out] = t.max(x.get(i), largest[out] ?? Number.NEGATIVE_INFINITY);
    });
    t.array(kept).fill(0);
  },
  backward(t) {
    const x = t.input("x");
    const dx = t.array(x.shape);
    const kept = reducing(t, () => {});
    const [y, dy] = [t.array(kept), t.array(kept)];
    reducing(t, (i, out) => void dx.set(i, t.sub(x.get(i), y.get(out)) === 0 ? dy.get(out) : 0));
    dy.touch();
  },
};

export const elementwise: Readonly<Record<string, Counter>> = {
  ...Object.fromEntries(NAMES.map((name) => [name, unary])),
  scale: affine,
  sign: { forward: unary.forward, backward: constantSlope },
  floor: { forward: unary.forward, backward: constantSlope },
  add: binary(
    (t, a, b) => t.add(a, b),
    (_t, _a, _b, dy) => [dy, dy],
  ),
  sub: binary(
    (t, a, b) => t.sub(a, b),
    (t, _a, _b, dy) => [dy, t.mul(-1, dy)],
  ),
  mul: binary(
    (t, a, b) => t.mul(a, b),
    (t, a, b, dy) => [t.mul(dy, b()), t.mul(dy, a())],
  ),
  div: binary(
    (t, a, b) => t.div(a, b),
    (t, a, b, dy) => {
      const da = t.div(dy, b());
      return [da, t.mul(da, t.div(a(), b()))];
    },
  ),
  maximum: binary((t, a, b) => t.max(a, b), share),
  minimum: binary((t, a, b) => t.max(a, b), share),
  sum,
  mean: sum,
  max: extremum,
  min: extremum,
};
