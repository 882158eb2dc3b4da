import type { Counted, Counter, Tally } from "./tally.js";

/** Plain numbers at the end of a row, which count for nothing. */
type Row = (row: number, places: readonly number[]) => void;

/** `f` for each row along the last dimension. */
function forRows({ shape, values }: Counted, f: Row): void {
  const C = shape.at(-1) as number;
  const rows = C === 0 ? 0 : values.length / C;
  for (let row = 0; row < rows; row++)
    f(
      row,
      Array.from({ length: C }, (_, i) => row * C + i),
    );
}

/** Sums that begin at nothing: as many additions as terms. */
function sumOf(t: Tally, places: readonly number[], f: (i: number, c: number) => number): number {
  let sum = 0;
  places.forEach((i, c) => {
    sum = t.add(f(i, c), sum);
  });
  return sum;
}

const largestOf = (t: Tally, places: readonly number[], x: Counted) =>
  places.reduce((largest, i) => t.max(largest, x.get(i)), Number.NEGATIVE_INFINITY);

export const layerNorm: Counter = {
  forward(t) {
    const [x, weight, bias] = [t.input("x"), t.input("weight"), t.input("bias")];
    const y = t.array(x.shape);
    forRows(x, (_, places) => {
      const mean = sumOf(t, places, (i) => x.get(i)) / places.length;
      const centred = places.map((i) => t.sub(x.get(i), mean));
      const squares = sumOf(t, places, (_i, c) => t.mul(centred[c], centred[c]));
      const rstd = 1 / Math.sqrt(squares / places.length + 1e-5);
      places.forEach((i, c) => void y.set(i, t.add(t.mul(t.mul(centred[c], rstd), weight.get(c)), bias.get(c))));
    });
  },
  backward(t) {
    const [x, weight] = [t.input("x"), t.input("weight")];
    const [dy, dx] = [t.array(x.shape), t.array(x.shape)];
    const [dweight, dbias] = [new Float64Array(weight.values.length), new Float64Array(weight.values.length)];
    const [mean, rstd] = [0.1, 0.9];
    forRows(x, (_, places) => {
      const normal = places.map((i) => t.mul(t.sub(x.get(i), mean), rstd));
      const g = places.map((i, c) => t.mul(dy.get(i), weight.get(c)));
      const a = sumOf(t, places, (_i, c) => g[c]) / places.length;
      const b = sumOf(t, places, (_i, c) => t.mul(g[c], normal[c])) / places.length;
      places.forEach((i, c) => {
        dx.set(i, t.mul(t.sub(t.sub(g[c], a), t.mul(normal[c], b)), rstd));
        dweight[c] = t.mulAdd(dy.get(i), normal[c], dweight[c]);
        dbias[c] = t.add(dy.get(i), dbias[c]);
      });
    });
    t.array(weight.shape).fill(dweight);
    t.array(weight.shape).fill(dbias);
  },
};

export const rmsNorm: Counter = {
  forward(t) {
    const [x, weight] = [t.input("x"), t.input("weight")];
    const y = t.array(x.shape);
    forRows(x, (_, places) => {
      const rstd = 1 / Math.sqrt(sumOf(t, places, (i) => t.mul(x.get(i), x.get(i))) / places.length + 1e-5);
      places.forEach((i, c) => void y.set(i, t.mul(t.mul(x.get(i), rstd), weight.get(c))));
    });
  },
  backward(t) {
    const [x, weight] = [t.input("x"), t.input("weight")];
    const [dy, dx] = [t.array(x.shape), t.array(x.shape)];
    const dweight = new Float64Array(weight.values.length);
    const rstd = 0.9;
    forRows(x, (_, places) => {
      const normal = places.map((i) => t.mul(x.get(i), rstd));
      const g = places.map((i, c) => t.mul(dy.get(i), weight.get(c)));
      const b = sumOf(t, places, (_i, c) => t.mul(g[c], normal[c])) / places.length;
      places.forEach((i, c) => {
        dx.set(i, t.mul(t.sub(g[c], t.mul(normal[c], b)), rstd));
        dweight[c] = t.mulAdd(dy.get(i), normal[c], dweight[c]);
      });
    });
    t.array(weight.shape).fill(dweight);
  },
};

export const l2Normalize: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape);
    forRows(x, (_, places) => {
      const norm = Math.sqrt(sumOf(t, places, (i) => t.mul(x.get(i), x.get(i))));
      for (const i of places) y.set(i, t.div(x.get(i), norm));
    });
  },
  backward(t) {
    const x = t.input("x");
    const [dy, dx] = [t.array(x.shape), t.array(x.shape)];
    const norm = 2;
    forRows(x, (_, places) => {
      const y = places.map((i) => t.div(x.get(i), norm));
      const dot = sumOf(t, places, (i, c) => t.mul(dy.get(i), y[c]));
      places.forEach((i, c) => void dx.set(i, t.div(t.sub(dy.get(i), t.mul(y[c], dot)), norm)));
    });
  },
};

/** Exponentials of a row less its maximum, and their sum. */
function exponentials(t: Tally, places: readonly number[], x: Counted) {
  const largest = largestOf(t, places, x);
  const shifted = places.map((i) => t.sub(x.get(i), largest));
  const exps = shifted.map((value) => t.call(Math.exp, value));
  return { shifted, exps, sum: sumOf(t, places, (_, c) => exps[c]) };
}

export const softmax: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape);
    forRows(x, (_, places) => {
      const { exps, sum } = exponentials(t, places, x);
      places.forEach((i, c) => void y.set(i, t.div(exps[c], sum)));
    });
  },
  backward(t) {
    const { shape } = t.input("x");
    const [y, dy, dx] = [t.array(shape), t.array(shape), t.array(shape)];
    forRows(y, (_, places) => {
      const dot = sumOf(t, places, (i) => t.mul(y.get(i), dy.get(i)));
      for (const i of places) dx.set(i, t.mul(t.sub(dy.get(i), dot), y.get(i)));
    });
  },
};

export const logSoftmax: Counter = {
  forward(t) {
    const x = t.input("x");
    const y = t.array(x.shape);
    forRows(x, (_, places) => {
      const { shifted, sum } = exponentials(t, places, x);
      const log = Math.log(sum);
      places.forEach((i, c) => void y.set(i, t.sub(shifted[c], log)));
    });
  },
  backward(t) {
    const { shape } = t.input("x");
    const [y, dy, dx] = [t.array(shape), t.array(shape), t.array(shape)];
    forRows(y, (_, places) => {
      const sum = sumOf(t, places, (i) => dy.get(i));
      for (const i of places) dx.set(i, t.sub(dy.get(i), t.mul(t.call(Math.exp, y.get(i)), sum)));
    });
  },
};

const lossesOf = (t: Tally, target: Counted) => t.array(t.options.reduction === "none" ? target.shape : [], "f32");

export const crossEntropy: Counter = {
  forward(t) {
    const [logits, target] = [t.input("logits"), t.input("target")];
    const losses = lossesOf(t, target);
    forRows(logits, (row, places) => {
      exponentials(t, places, logits);
      if (t.options.labelSmoothing) sumOf(t, places, (i) => logits.get(i));
      target.get(row);
      losses.set(row % losses.values.length, 1);
    });
  },
  backward(t) {
    const [logits, target] = [t.input("logits"), t.input("target")];
    const dy = lossesOf(t, target);
    const dlogits = t.array(logits.shape);
    const [largest, sum, share] = [3, 7, 0.01];
    forRows(logits, (row, places) => {
      const slope = dy.get(row % dy.values.length);
      const chosen = target.get(row);
      places.forEach((i, c) => {
        let p = t.div(t.call(Math.exp, t.sub(logits.get(i), largest)), sum);
        if (t.options.labelSmoothing) p = t.sub(p, share);
        // One of a row.
        if (c === chosen) p -= 1;
        dlogits.set(i, t.mul(p, slope));
      });
    });
  },
};

/** Sines and cosines are made once for each position and pair. */
function turn(t: Tally, from: Counted, to: Counted): void {
  const D = from.shape.at(-1) as number;
  const { rotaryDim = D, interleaved = false } = t.options as { rotaryDim?: number; interleaved?: boolean };
  if (t.has("positions")) t.input("positions").touch();
  const [cos, sin] = [0.6, 0.8];
  forRows(from, (_, places) => {
    const half = rotaryDim / 2;
    for (let pair = 0; pair < half; pair++) {
      const [i, j] = interleaved ? [2 * pair, 2 * pair + 1] : [pair, pair + half];
      const [a, b] = [from.get(places[i]), from.get(places[j])];
      to.set(places[i], t.sub(t.mul(a, cos), t.mul(b, sin)));
      to.set(places[j], t.add(t.mul(a, sin), t.mul(b, cos)));
    }
    for (let i = rotaryDim; i < D; i++) to.set(places[i], from.get(places[i]));
  });
}

export const rotary: Counter = {
  forward(t) {
    const x = t.input("x");
    turn(t, x, t.array(x.shape));
  },
  backward(t) {
    const { shape } = t.input("x");
    turn(t, t.array(shape), t.array(shape));
  },
};

/** Which of a row are the largest counts for nothing. */
export const topK: Counter = {
  forward(t) {
    const x = t.input("x").touch();
    const shape = x.shape.with(-1, t.options.k);
    t.array(shape).fill(0);
    t.array(shape, "i32").fill(0);
  },
  backward(t) {
    const { shape, values } = t.input("x");
    const [dy, indices] = [t.array(shape.with(-1, t.options.k)), t.array(shape.with(-1, t.options.k), "i32")];
    const dx = new Float64Array(values.length);
    for (let i = 0; i < dy.values.length; i++) dx[indices.get(i)] = dy.get(i);
    t.array(shape).fill(dx);
  },
};

/** Indices have no gradient. */
export const argmax: Counter = {
  forward(t) {
    const { shape } = t.input("x").touch();
    t.array(shape.slice(0, -1), "i32").fill(0);
  },
  backward() {},
};
