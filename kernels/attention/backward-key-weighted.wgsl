// common: attention, attention-keys, grid, lanes
// attention/backward dk, or dv, of the keys or of the prefix (webgpu), from the weights that backward-weights.wgsl left in
// scratch: for adapters that run on the CPU
// Math      dv[n,:] = sum_i weight[i,n] dy[i,:];  dk[n,:] = scale sum_i dscore[i,n] q[i,:]; sums over the heads of a group,
//           and for the prefix over the batch
// Shapes    rows, dy or q [B,L,H,D] · dkv [B,S,G,D], layouts in kernels.ts, or [P,G,D] · scratch: prefix keys, prefix values
//           [P,G,D], delta [B,H,L], weight, dscore [B,H,L,P+S] f32
// Tiling    a thread owns four keys and sixteen columns of the workgroup's group, sixteen vectors of sums, and shares
//           elements of a row with its subgroup: eight loads for 64 multiply-adds
// Launch    grid (B G ceil(S / (4 WORKGROUP)) ceil(D / 16)), or (G ceil(P / (4 WORKGROUP)) ceil(D / 16)) for the PREFIX,
//           folded; WORKGROUP threads; OF = 0 for dv, 1 for dk
// Numerics  f32, in the order of batch rows, heads, queries; a key that nothing sees gets 0
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

@group(0) @binding(0) var<storage, read> rows: array<value>;         // dy or q, [B,L,H,D]
@group(0) @binding(1) var<storage, read_write> dkv: array<value>;    // dk or dv, [B,S,G,D] or [P,G,D]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;  // as above
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let keys = select(params.S, params.P, PREFIX == 1u);
  let parts = (params.D + 15u) / 16u;
  let blocks = (keys + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let index = folded_index(group, groups);
  let own_batch = index / parts / blocks / params.G;
  let g = index / parts / blocks % params.G;
  let block = 4u * WORKGROUP * (index / parts % blocks);
  let d = 16u * (index % parts);
  if (own_batch >= select(params.B, 1u, PREFIX == 1u)) {
    return;
  }
  // Keys past the end repeat the last one. All lanes walk over the queries that see the first key of the workgroup.
  let first = block + 4u * lane;
  let before = select(params.P, 0u, PREFIX == 1u);
  let n = before + min(first + FOUR, vec4(keys - 1u));
  let column = d + lane_of_four();

  var a = mat4x4<f32>();
  var b = mat4x4<f32>();
  var c = mat4x4<f32>();
  var e = mat4x4<f32>();
  let heads = params.H / params.G;
  for (var r = 0u; r < select(heads, params.B * heads, PREFIX == 1u); r++) {
    let batch = own_batch + r / heads;
    let h = g * heads + r % heads;
    for (var i = first_query(before + block); i < params.L; i++) {
      let row = lse_row(batch, i, h);
      let at = select(dscores_row(row), weights_row(row), OF == 0u) + n;
      let weight = vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);
      let start = select(query_row(batch, i, h), result_row(batch, i, h), OF == 0u) + column;
      a += outer(weight, of_four_lanes(f32(rows[start])));
      b += outer(weight, of_four_lanes(f32(rows[start + 4u])));
      c += outer(weight, of_four_lanes(f32(rows[start + 8u])));
      e += outer(weight, of_four_lanes(f32(rows[start + 12u])));
    }
  }

  let result = array(a, b, c, e);
  for (var r = 0u; r < four_below(first, keys); r++) {
    var to = prefix_row(first + r, g) + d;
    if (PREFIX == 0u) {
      to = key_row(own_batch, params.P + first + r, g) + select(params.kOffset, params.vOffset, OF == 0u) + d;
    }
    for (var j = 0u; j < min(16u, params.D - d); j++) {
      dkv[to + j] = value(select(params.scale, 1.0, OF == 0u) * result[j / 4u][j % 4u][r]);
    }
  }
}
