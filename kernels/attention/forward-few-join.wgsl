// common: attention, grid
// attention/forward, few rows (webgpu): joins what forward-few.wgsl left
// Math      y = sum_s f[s] y[s] / sum_s f[s] sum[s];  lse = m + log sum_s f[s] sum[s];  f[s] = exp(m[s] - m), m = max_s m[s]
// Shapes    y [B,L,H,D] · lse [B,H,L] f32 · scratch: as forward-few.wgsl leaves it
// Tiling    a workgroup owns a row, a thread every WORKGROUP-th column
// Launch    grid (B H L) folded, WORKGROUP threads; KEYS, the keys of a split
// Numerics  f32, in the order of the splits; a row that sees no key: y = 0, lse = 1e30 (NO_KEYS)

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

@group(0) @binding(0) var<storage, read_write> y: array<value>;      // [B,L,H,D]
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;      // [B,H,L]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;  // prefix keys, prefix values [P,G,D], partial results
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = folded_index(group, groups);
  let batch = index / params.L / params.H;
  let h = index / params.L % params.H;
  let i = index % params.L;
  if (batch >= params.B) {
    return;
  }
  let heads = params.H / params.G;
  let splits = (params.P + params.S + KEYS - 1u) / KEYS;
  let fours = (params.L * heads + 3u) / 4u;
  let row = h % heads * params.L + i;
  let next = 4u * (params.D + 2u);
  let block = (((params.BFirst + batch) * params.G + h / heads) * fours + row / 4u) * splits;
  let start = 2u * params.P * params.G * params.D + block * next + row % 4u * (params.D + 2u);

  var highest = FLOOR;
  for (var s = 0u; s < splits; s++) {
    highest = max(highest, scratch[start + s * next + params.D]);
  }
  var sum = 0.0;
  for (var s = 0u; s < splits; s++) {
    sum += exp(scratch[start + s * next + params.D] - highest) * scratch[start + s * next + params.D + 1u];
  }
  let inverse = select(1.0 / sum, 0.0, sum == 0.0);

  for (var d = lane; d < params.D; d += WORKGROUP) {
    var joined = 0.0;
    for (var s = 0u; s < splits; s++) {
      joined += exp(scratch[start + s * next + params.D] - highest) * scratch[start + s * next + d];
    }
    y[result_row(batch, i, h) + d] = value(joined * inverse);
  }
  if (lane == 0u) {
    lse[lse_row(batch, i, h)] = select(highest + log(sum), NO_KEYS, sum == 0.0);
  }
}
