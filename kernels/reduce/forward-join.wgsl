// common: grid, reduction
// reduce/forward, last launch (webgpu)
// Math      y[o,i] = scale · f over the splits s of partial[o,s,i]
// Shapes    y [O,I] · scratch: partial results [O, splits, I] f32
// Tiling    a thread owns an element of y
// Launch    grid (ceil(O I / WORKGROUP)) folded, WORKGROUP threads; none where L is not split
// Numerics  f32, splits in order

struct Params {
  O: u32,
  L: u32,
  I: u32,
  f: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read_write> y: array<value>;      // [O,I]
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;  // [O, splits, I]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.O * params.I) {
    return;
  }
  let length = split_length(params.L, params.I);
  let splits = max(1u, (params.L + length - 1u) / length);
  var at = i / params.I * splits * params.I + i % params.I;
  var result = partial[at];
  for (var s = 1u; s < splits; s++) {
    at += params.I;
    result = reduce_two(params.f, result, partial[at]);
  }
  y[i] = value(params.scale * result);
}
