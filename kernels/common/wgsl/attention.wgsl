// What the kernels of kernels/attention agree on, by their `params`. Keys are numbered 0 .. P + S, the prefix first.

// Finite sentinels: a hidden score lies below the floor of any maximum, so exp(score - maximum) is exactly 0.
const HIDDEN = -1e30;
const FLOOR = -1e29;
// lse of a query that sees no key.
const NO_KEYS = 1e30;

const FOUR = vec4(0u, 1u, 2u, 3u);

// `batch` is a batch row of this part: its q, k, v, y and their gradients begin with it. What is small is bound whole.

// Where rows start: of a query in q; of a key or value, less kOffset or vOffset; of a prefix key.
fn query_row(batch: u32, i: u32, h: u32) -> u32 {
  return params.qOffset + (batch * params.L + i) * params.qPitch + h * params.D;
}

fn key_row(batch: u32, n: u32, g: u32) -> u32 {
  return (batch * params.kvCapacity + n - params.P) * params.kvPitch + g * params.D;
}

fn prefix_row(n: u32, g: u32) -> u32 {
  return (n * params.G + g) * params.D;
}

// Of a query in y, and in lse.
fn result_row(batch: u32, i: u32, h: u32) -> u32 {
  return ((batch * params.L + i) * params.H + h) * params.D;
}

fn lse_row(batch: u32, i: u32, h: u32) -> u32 {
  return ((params.BFirst + batch) * params.H + h) * params.L + i;
}

// Of row `lse_row` of the backward pass's delta in scratch: behind prefix keys and prefix values.
fn delta_row(row: u32) -> u32 {
  return 2u * params.P * params.G * params.D + row;
}

// Of the same row behind all of delta: its weights of P + S keys; behind those of all rows, its dscores.
fn weights_row(row: u32) -> u32 {
  return delta_row(params.BWhole * params.H * params.L) + row * (params.P + params.S);
}

fn dscores_row(row: u32) -> u32 {
  return weights_row(params.BWhole * params.H * params.L + row);
}

// How many of the four rows or columns from `at` lie below `end`.
fn four_below(at: u32, end: u32) -> u32 {
  return min(4u, max(at, end) - at);
}

// Columns times rows: column c of the result is a times b[c].
fn outer(a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(a * b.x, a * b.y, a * b.z, a * b.w);
}
