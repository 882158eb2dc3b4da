// common: attention
// Queries of kernels/attention for tiles that reach past the last one.

// Column d of queries i .. i + 3; past the last one that again.
fn queries_at(batch: u32, i: u32, h: u32, d: u32) -> vec4<f32> {
  let at = query_row(batch, 0u, h) + min(i + FOUR, vec4(params.L - 1u)) * params.qPitch + d;
  return vec4<f32>(vec4(q[at.x], q[at.y], q[at.z], q[at.w]));
}
