import type { Counted, Counter, Tally } from "./tally.js";

/** c [m, n] += a [m, k] b [k, n], each by a function of its places. */
function multiply(
  t: Tally,
  [m, n, k]: readonly number[],
  a: (i: number, p: number) => number,
  b: (p: number, j: number) => number,
): Float64Array {
  const sums = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let p = 0; p < k; p++) sums[i * n + j] = t.mulAdd(a(i, p), b(p, j), sums[i * n + j]);
  return sums;
}

function matmulOf(t: Tally) {
  const { transposeA, transposeB } = t.options as { transposeA?: boolean; transposeB?: boolean };
  const [a, b] = [t.input("a"), t.input("b")];
  const [aRows, aColumns] = a.shape.slice(-2);
  const [bRows, bColumns] = b.shape.slice(-2);
  const [M, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const N = transposeB ? bRows : bColumns;
  const batches = [a, b].map((x) => (x.shape.length > 2 ? x.shape[0] : null));
  const B = batches.find((size) => size !== null) ?? 1;
  const place = (x: Counted, batch: number) => (x.shape.length > 2 ? batch * x.shape[1] * x.shape[2] : 0);
  const atA = (batch: number, i: number, p: number) => place(a, batch) + (transposeA ? p * M + i : i * K + p);
  const atB = (batch: number, p: number, j: number) => place(b, batch) + (transposeB ? j * K + p : p * N + j);
  return { a, b, M, N, K, B, atA, atB };
}

export const matmul: Counter = {
  forward(t) {
    const { a, b, M, N, K, B, atA, atB } = matmulOf(t);
    const y = t.array([B, M, N]);
    if (t.has("bias")) t.input("bias").touch();
    for (let batch = 0; batch < B; batch++) {
      const sums = multiply(
        t,
        [M, N, K],
        (i, p) => a.get(atA(batch, i, p)),
        (p, j) => b.get(atB(batch, p, j)),
      );
      sums.forEach((sum, i) => void y.set(batch * M * N + i, sum));
    }
  },
  backward(t) {
    const { a, b, M, N, K, B, atA, atB } = matmulOf(t);
    const dy = t.array([B, M, N]);
    const [da, db] = [t.array(a.shape), t.array(b.shape)];
    if (t.has("bias")) t.array([N]).fill(0);
    for (let batch = 0; batch < B; batch++) {
      const at = (i: number, j: number) => dy.get((batch * M + i) * N + j);
      const left = multiply(t, [M, K, N], at, (j, p) => b.get(atB(batch, p, j)));
      left.forEach((sum, i) => void da.set(atA(batch, Math.floor(i / K), i % K), sum));
      const right = multiply(t, [K, N, M], (p, i) => a.get(atA(batch, i, p)), at);
      right.forEach((sum, i) => void db.set(atB(batch, Math.floor(i / N), i % N), sum));
    }
  },
};

/** The base layer is frozen. */
export const loraMatmul: Counter = {
  forward(t) {
    const [x, w, a, b] = [t.input("x"), t.input("weight"), t.input("a"), t.input("b")];
    const [[T, K], [N], [R]] = [x.shape, w.shape, a.shape];
    const y = t.array([T, N]);
    if (t.has("bias")) t.input("bias").touch();
    multiply(
      t,
      [T, N, K],
      (i, p) => x.get(i * K + p),
      (p, j) => w.get(j * K + p),
    );
    const h = multiply(
      t,
      [T, R, K],
      (i, p) => x.get(i * K + p),
      (p, r) => a.get(r * K + p),
    );
    y.fill(
      multiply(
        t,
        [T, N, R],
        (i, r) => h[i * R + r],
        (r, j) => b.get(j * R + r),
      ),
    );
  },
  backward(t) {
    const [x, w, a, b] = [t.input("x"), t.input("weight"), t.input("a"), t.input("b")];
    const [[T, K], [N], [R]] = [x.shape, w.shape, a.shape];
    const dy = t.array([T, N]);
    // x aᵀ is kept.
    const h = new Float64Array(T * R);
    const g = multiply(
      t,
      [T, R, N],
      (i, j) => dy.get(i * N + j),
      (j, r) => b.get(j * R + r),
    );
    multiply(
      t,
      [T, K, N],
      (i, j) => dy.get(i * N + j),
      (j, p) => w.get(j * K + p),
    );
    t.array(x.shape).fill(
      multiply(
        t,
        [T, K, R],
        (i, r) => g[i * R + r],
        (r, p) => a.get(r * K + p),
      ),
    );
    t.array(a.shape).fill(
      multiply(
        t,
        [R, K, T],
        (r, i) => g[i * R + r],
        (i, p) => x.get(i * K + p),
      ),
    );
    t.array(b.shape).fill(
      multiply(
        t,
        [N, R, T],
        (j, i) => dy.get(i * N + j),
        (i, r) => h[i * R + r],
      ),
    );
  },
};

/** Words stand for their integers: what is counted is as many products as there are integers. */
export const quantizedMatmul: Counter = {
  forward(t) {
    const [x, words] = [t.input("x"), t.input("weight").touch()];
    const [T, K] = x.shape;
    const N = words.shape.at(-2) as number;
    for (const name of ["bias", "lists"]) if (t.has(name)) t.input(name).touch();
    t.array([T, N]).fill(
      multiply(
        t,
        [T, N, K],
        (i, p) => x.get(i * K + p),
        () => 1,
      ),
    );
  },
  backward(t) {
    const [{ shape }, words] = [t.input("x"), t.input("weight").touch()];
    const [T, K] = shape;
    const N = words.shape.at(-2) as number;
    if (t.has("lists")) t.input("lists").touch();
    const dy = t.array([T, N]);
    t.array(shape).fill(
      multiply(
        t,
        [T, K, N],
        (i, j) => dy.get(i * N + j),
        () => 1,
      ),
    );
  },
};

/** Keys and values with a prefix in front, by places in their own memory. */
interface Keys {
  readonly S: number;
  readonly P: number;
  key(b: number, s: number, h: number, d: number): [Counted, number];
  value(b: number, s: number, h: number, d: number): [Counted, number];
}

function attend(
  t: Tally,
  [B, L, H, D]: readonly number[],
  { S, P, key, value }: Keys,
  query: (b: number, l: number, h: number, d: number) => [Counted, number],
  result: Counted,
  gradients: ((memory: Counted) => Counted) | null,
): void {
  if (t.has("mask")) t.input("mask").touch();
  const at = ([memory, i]: [Counted, number]) => memory.get(i);
  const dims = Array.from({ length: D }, (_, d) => d);
  const dot = (a: (d: number) => number, b: (d: number) => number) => {
    let sum = 0;
    for (const d of dims) sum = t.mulAdd(a(d), b(d), sum);
    return sum;
  };
  const dy = gradients && t.array([B, L, H, D]);
  const sums = new Map<Counted, Float64Array>();
  const increase = ([memory, i]: [Counted, number], a: number, b: number) => {
    const found = sums.get(memory) ?? new Float64Array(memory.values.length);
    sums.set(memory, found);
    found[i] = t.mulAdd(a, b, found[i]);
  };
  for (let b = 0; b < B; b++)
    for (let l = 0; l < L; l++)
      for (let h = 0; h < H; h++) {
        const q = dims.map((d) => at(query(b, l, h, d)));
        const y = new Float64Array(D);
        const place = ((b * L + l) * H + h) * D;
        // The rows' sums of dy y, counted for nothing.
        if (dy) for (const d of dims) result.get(place + d) * dy.get(place + d);
        for (let s = 0; s < P + S; s++) {
          if (t.options.causal && s - P > l + S - L) continue;
          const score = dot(
            (d) => q[d],
            (d) => at(key(b, s, h, d)),
          );
          if (!dy) {
            for (const d of dims) y[d] = t.mulAdd(score, at(value(b, s, h, d)), y[d]);
            continue;
          }
          const slope = dot(
            (d) => dy.get(place + d),
            (d) => at(value(b, s, h, d)),
          );
          for (const d of dims) {
            increase(value(b, s, h, d), score, dy.get(place + d));
            increase(query(b, l, h, d), slope, at(key(b, s, h, d)));
            increase(key(b, s, h, d), slope, q[d]);
          }
        }
        if (!dy) for (const d of dims) result.set(place + d, y[d]);
      }
  if (gradients) for (const [memory, values] of sums) gradients(memory).fill(values);
}

function attention(t: Tally, isBackward: boolean): void {
  const [q, k, v] = [t.input("q"), t.input("k"), t.input("v")];
  const [, L, H, D] = q.shape;
  const [, S, G] = k.shape;
  const prefix = t.has("prefixKeys") ? [t.input("prefixKeys"), t.input("prefixValues")] : null;
  const P = prefix ? prefix[0].shape[0] : 0;
  const of =
    (memory: Counted, ahead: Counted | undefined): Keys["key"] =>
    (b, s, h, d) => {
      const g = Math.floor(h / (H / G));
      return ahead && s < P ? [ahead, (s * G + g) * D + d] : [memory, ((b * S + s - P) * G + g) * D + d];
    };
  const keys = { S, P, key: of(k, prefix?.[0]), value: of(v, prefix?.[1]) };
  const y = t.array(q.shape);
  const query: Parameters<typeof attend>[3] = (b, l, h, d) => [q, ((b * L + l) * H + h) * D + d];
  attend(t, q.shape, keys, query, y, isBackward ? (memory) => t.array(memory.shape) : null);
}

function attentionPacked(t: Tally, isBackward: boolean): void {
  const qkv = t.input("qkv");
  const [B, L, , H, D] = qkv.shape;
  const of =
    (which: number): Keys["key"] =>
    (b, s, h, d) => [qkv, (((b * L + s) * 3 + which) * H + h) * D + d];
  const y = t.array([B, L, H, D]);
  const gradients = isBackward ? (memory: Counted) => t.array(memory.shape) : null;
  attend(t, [B, L, H, D], { S: L, P: 0, key: of(1), value: of(2) }, of(0), y, gradients);
}

export const attentions: Readonly<Record<string, Counter>> = {
  attention: { forward: (t) => attention(t, false), backward: (t) => attention(t, true) },
  attentionPacked: { forward: (t) => attentionPacked(t, false), backward: (t) => attentionPacked(t, true) },
};
