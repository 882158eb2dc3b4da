// common: attention
// A key of kernels/attention: from `k`, or where PREFIX is 1 and it is of the prefix, from scratch.

// Column d of key n.
fn key_at(batch: u32, n: u32, g: u32, d: u32) -> f32 {
  let own = f32(k[params.kOffset + key_row(batch, n, g) + d]);
  if (PREFIX == 0u) {
    return own;
  }
  return select(own, scratch[prefix_row(n, g) + d], n < params.P);
}
