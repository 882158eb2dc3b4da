// common: fault, grid, lists
// copy/index-add, first launch (webgpu)
// Math      for each v the list of the k with index[k] = v, in rising order; a fault where index[k] is outside [0, V)
// Shapes    index [K] i32 · faults u32[4] · scratch: V starts, V ends, K entries, u32
// Tiling    a thread owns the v that are equal to its number modulo the number of threads
// Launch    grid (GROUPS), WORKGROUP threads

struct Params {
  O: u32,
  V: u32,
  K: u32,
  I: u32,
  hasBase: u32,
  faultLabel: u32,
}

@group(0) @binding(0) var<storage, read> index: array<i32>;                    // [K]
@group(0) @binding(1) var<storage, read_write> faults: array<atomic<u32>, 4>;  // [4]
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;              // [2 V + K]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
  for (var k = thread.x; k < params.K; k += GROUPS * WORKGROUP) {
    if (key_at(k) >= params.V) {
      report_bad_index(params.faultLabel, k, index[k]);
    }
  }
  make_lists(thread.x, GROUPS * WORKGROUP, params.K, params.V);
}

fn key_at(k: u32) -> u32 {
  return bitcast<u32>(index[k]);  // a negative one is a large one
}
