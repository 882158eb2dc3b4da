// common: attention
// Keys of kernels/attention for tiles that reach past the last one: from `k`, or those of the prefix from scratch.

// Element d of key n; past the last one that again.
fn key_at(batch: u32, n: u32, g: u32, d: u32) -> f32 {
  let inside = min(n, params.P + params.S - 1u);
  if (inside < params.P) {
    return scratch[prefix_row(inside, g) + d];
  }
  return f32(k[params.kOffset + key_row(batch, inside, g) + d]);
}

// Column d of keys n .. n + 3.
fn keys_at(batch: u32, n: u32, g: u32, d: u32) -> vec4<f32> {
  return vec4(
    key_at(batch, n, g, d),
    key_at(batch, n + 1u, g, d),
    key_at(batch, n + 2u, g, d),
    key_at(batch, n + 3u, g, d),
  );
}
