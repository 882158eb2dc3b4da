// common: math
// Reductions by code (kernels/reduce/functions.ts).

// Elements of a split: 8,192 of a long row, 128 of a column or a short one, more where there would be over 256 splits.
// Also in kernels/reduce/kernels.ts.
fn split_length(length: u32, columns: u32) -> u32 {
  let least = select(128u, 8192u, columns == 1u && length > 64u);
  return max(least, (length + 255u) / 256u);
}

fn reduce_four(f: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  switch (f) {
    case 0u: { return a + b; }
    case 1u: { return larger(a, b); }
    default: { return smaller(a, b); }
  }
}

fn reduce_two(f: u32, a: f32, b: f32) -> f32 {
  return reduce_four(f, vec4(a), vec4(b)).x;
}
