// common: reduce
// cross-entropy/reduce (webgpu)
// Math      y = scale * Σ_t loss[t];  scale = 1, or 1 / max(1, targets other than ignoreIndex) for a mean
// Shapes    loss [T] f32 · targets [T] i32 · y, scale [1] f32
// Tiling    one workgroup; a thread owns every WORKGROUP-th token
// Launch    grid (1), WORKGROUP threads: some thousand tokens take microseconds
// Numerics  f32; the order of the sum depends on T and WORKGROUP only
// Limits    no target that counts gives 0, not 0 / 0; T below 2^24, up to where f32 counts exactly

struct Params {
  T: u32,
  ignoreIndex: u32,
  mean: u32,
}

@group(0) @binding(0) var<storage, read> loss: array<f32>;         // [T]
@group(0) @binding(1) var<storage, read> targets: array<i32>;      // [T]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;      // [1]
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;  // [1]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  var losses = 0.0;
  var counted = 0.0;
  for (var t = lane; t < params.T; t += WORKGROUP) {
    losses += loss[t];
    counted += select(1.0, 0.0, bitcast<u32>(targets[t]) == params.ignoreIndex);
  }
  let sum = workgroup_sum(losses, lane);
  let count = workgroup_sum(counted, lane);

  if (lane == 0u) {
    let s = select(1.0, 1.0 / max(1.0, count), params.mean == 1u);
    scale[0] = s;
    y[0] = sum * s;
  }
}
