// common: attention
// A value of kernels/attention: from `v`, or where PREFIX is 1 and it is of the prefix, from scratch.

// Column d of the value of key n.
fn value_at(batch: u32, n: u32, g: u32, d: u32) -> f32 {
  let own = f32(v[params.vOffset + key_row(batch, n, g) + d]);
  if (PREFIX == 0u) {
    return own;
  }
  return select(own, scratch[prefix_row(params.P + n, g) + d], n < params.P);
}
