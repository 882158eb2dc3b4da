// common: attention, attention-key, attention-value, lanes
// The products of the backward pass of kernels/attention from storage: of q and keys, of dy and values.

// The rows at `at`, of q or dy, times sixteen keys (`side` = 0) or values (1), in columns: those from the one that lane 0
// shares. `n` is that of this lane; past the last key that one again.
fn multiply(at: vec4<u32>, batch: u32, g: u32, n: u32, side: u32) -> array<mat4x4<f32>, 4> {
  let keys = min(n + 4u * FOUR, vec4(params.P + params.S - 1u));
  var sums = array<mat4x4<f32>, 4>();
  for (var d = 0u; d < params.D; d++) {
    if (side == 0u) {
      let own = vec4<f32>(vec4(q[at.x + d], q[at.y + d], q[at.z + d], q[at.w + d]));
      for (var s = 0u; s < 4u; s++) {
        sums[s] += outer(own, of_four_lanes(key_at(batch, keys[s], g, d)));
      }
    } else {
      let own = vec4<f32>(vec4(dy[at.x + d], dy[at.y + d], dy[at.z + d], dy[at.w + d]));
      for (var s = 0u; s < 4u; s++) {
        sums[s] += outer(own, of_four_lanes(value_at(batch, keys[s], g, d)));
      }
    }
  }
  return sums;
}
