// common: lists
// embedding/backward-weight, first launch (webgpu)
// Math      for each row v the list of the t with ids[t] = v, in rising order; none for paddingIndex
// Shapes    ids [T] i32 · scratch: V starts, V ends, T entries, u32
// Tiling    a thread owns the v that are equal to its number modulo the number of threads
// Launch    grid (GROUPS), WORKGROUP threads

struct Params {
  T: u32,
  V: u32,
  C: u32,
  paddingIndex: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> ids: array<i32>;          // [T]
@group(0) @binding(1) var<storage, read_write> lists: array<u32>;  // [2 V + T]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
  make_lists(thread.x, GROUPS * WORKGROUP, params.T, params.V);
}

fn key_at(t: u32) -> u32 {
  let id = bitcast<u32>(ids[t]);  // a negative one is a large one
  return select(id, params.V, id == params.paddingIndex);
}
