// common: grid
// top-k/backward (webgpu)
// Math      dx[t, indices[t,k]] = dy[t,k], 0 elsewhere
// Shapes    dy [T,K] · indices [T,K] i32 · dx [T,V]
// Method    a thread writes zeros to its columns, then looks through all K indices for them: no barrier
// Tiling    a workgroup owns COLUMNS columns of a row; a thread owns every WORKGROUP-th of them
// Launch    grid (T * blocks) folded, WORKGROUP threads

struct Params {
  T: u32,
  V: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;        // [T,K]
@group(0) @binding(1) var<storage, read> indices: array<i32>;     // [T,K]
@group(0) @binding(2) var<storage, read_write> dx: array<value>;  // [T,V]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = (params.V + COLUMNS - 1u) / COLUMNS;
  let cell = folded_index(group, groups);
  let t = cell / blocks;
  if (t >= params.T) {
    return;
  }
  let row = t * params.V;
  let first = cell % blocks * COLUMNS;
  let last = min(first + COLUMNS, params.V);

  for (var v = first + lane; v < last; v += WORKGROUP) {
    dx[row + v] = value(0.0);
  }
  for (var k = t * params.K; k < (t + 1u) * params.K; k++) {
    let v = u32(indices[k]);
    if (v >= first && v < last && (v - first) % WORKGROUP == lane) {
      dx[row + v] = dy[k];
    }
  }
}
