// common: grid
// lora-matmul/backward-adapter, last launch (webgpu)
// Math      da[r,k] = sum over blocks of partial;  db[n,r] = scale sum over blocks;  each may add to what is there
// Shapes    da [R,K] · db [N,R] · partial [blocks,R,K], then [blocks,R,N] f32
// Launch    grid (R (K + N) / WORKGROUP) folded, WORKGROUP threads: one for each element
// Numerics  f32, blocks in order; stores round once

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  accumulateA: u32,
  accumulateB: u32,
}

@group(0) @binding(0) var<storage, read_write> da: array<value>;      // [R,K]
@group(0) @binding(1) var<storage, read_write> db: array<value>;      // [N,R]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;   // [blocks,R,K], [blocks,R,N]; only read
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let blocks = (params.T + BLOCK - 1u) / BLOCK;
  let of_a = params.R * params.K;
  let of_b = params.R * params.N;

  if (i < of_a) {
    var sum = 0.0;
    for (var block = 0u; block < blocks; block++) {
      sum += partial[block * of_a + i];
    }
    if (params.accumulateA == 1u) {
      sum += f32(da[i]);
    }
    da[i] = value(sum);
  } else if (i < of_a + of_b) {
    let element = i - of_a;
    var sum = 0.0;
    for (var block = 0u; block < blocks; block++) {
      sum += partial[blocks * of_a + block * of_b + element];
    }
    sum *= params.scale;
    let at = element % params.N * params.R + element / params.N;
    if (params.accumulateB == 1u) {
      sum += f32(db[at]);
    }
    db[at] = value(sum);
  }
}
