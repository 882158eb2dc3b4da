// common: attention
// A value of kernels/attention for tiles that reach past the last one: from `v`, or those of the prefix from scratch.

// Element d of the value of key n; past the last one that again.
fn value_at(batch: u32, n: u32, g: u32, d: u32) -> f32 {
  let inside = min(n, params.P + params.S - 1u);
  if (inside < params.P) {
    return scratch[prefix_row(params.P + inside, g) + d];
  }
  return f32(v[params.vOffset + key_row(batch, inside, g) + d]);
}
