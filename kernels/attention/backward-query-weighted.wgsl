// common: attention, attention-key, attention-keys, grid, lanes
// attention/backward dq (webgpu) from the weights that backward-weights.wgsl left in scratch: for adapters that run on the CPU
// Math      dq[b,i,h,:] = scale sum_n dscore[i,n] k[n,:], g = h / (H / G)
// Shapes    k [B,S,G,D], dq [B,L,H,D], layouts in kernels.ts · scratch: prefix keys, prefix values [P,G,D], delta [B,H,L],
//           weight, dscore [B,H,L,P+S] f32
// Tiling    a thread owns four query rows and sixteen columns of the workgroup's head, sixteen vectors of sums, and shares
//           elements of k with its subgroup: eight loads for 64 multiply-adds
// Launch    grid (B H ceil(L / (4 WORKGROUP)) ceil(D / 16)) folded, WORKGROUP threads; PREFIX = 1 where P > 0
// Numerics  f32, in the order of the keys
// Limits    each tensor below 2^32 elements

struct Params {
  B: u32,
  L: u32,
  S: u32,
  H: u32,
  G: u32,
  D: u32,
  P: u32,
  causal: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasMask: u32,
  hasPrefix: u32,
  qPitch: u32,
  kvPitch: u32,
  qOffset: u32,
  kOffset: u32,
  vOffset: u32,
  kvCapacity: u32,
  BFirst: u32,
  BWhole: u32,
}

@group(0) @binding(0) var<storage, read> k: array<value>;            // [B,S,G,D]
@group(0) @binding(1) var<storage, read_write> dq: array<value>;     // [B,L,H,D]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;  // as above
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let parts = (params.D + 15u) / 16u;
  let blocks = (params.L + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let index = folded_index(group, groups);
  let batch = index / parts / blocks / params.H;
  let h = index / parts / blocks % params.H;
  let block = 4u * WORKGROUP * (index / parts % blocks);
  let d = 16u * (index % parts);
  if (batch >= params.B) {
    return;
  }
  // Rows past the end repeat the last one. All lanes walk over the keys that the last row of the workgroup sees.
  let g = h / (params.H / params.G);
  let first = block + 4u * lane;
  let row = lse_row(batch, 0u, h) + min(first + FOUR, vec4(params.L - 1u));
  let at = vec4(dscores_row(row.x), dscores_row(row.y), dscores_row(row.z), dscores_row(row.w));
  let end = keys_seen(min(block + 4u * WORKGROUP, params.L) - 1u);
  let column = d + lane_of_four();

  var a = mat4x4<f32>();
  var b = mat4x4<f32>();
  var c = mat4x4<f32>();
  var e = mat4x4<f32>();
  for (var n = 0u; n < end; n++) {
    let dscore = vec4(scratch[at.x + n], scratch[at.y + n], scratch[at.z + n], scratch[at.w + n]);
    a += outer(dscore, of_four_lanes(key_at(batch, n, g, column)));
    b += outer(dscore, of_four_lanes(key_at(batch, n, g, column + 4u)));
    c += outer(dscore, of_four_lanes(key_at(batch, n, g, column + 8u)));
    e += outer(dscore, of_four_lanes(key_at(batch, n, g, column + 12u)));
  }

  let result = array(a, b, c, e);
  for (var r = 0u; r < four_below(first, params.L); r++) {
    let to = query_row(batch, first + r, h) + d;
    for (var j = 0u; j < min(16u, params.D - d); j++) {
      dq[to + j] = value(params.scale * result[j / 4u][j % 4u][r]);
    }
  }
}
