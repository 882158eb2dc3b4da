// common: grid, reduction
// reduce/forward of columns and of short rows (webgpu)
// Math      y[o,i] = scale · f_l x[o,l,i]; f is a sum, a maximum or a minimum (functions.ts)
// Shapes    x [O,L,I] · y [O,I] · scratch: partial results [O, splits, I] f32
// Tiling    a thread owns a column of a split; neighbours in i read neighbours
// Launch    grid (ceil(O · splits · I / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32, rows l, l + 4, ... apart from the others; the order depends on L only. NaN gives NaN in a maximum, too.

struct Params {
  O: u32,
  L: u32,
  I: u32,
  f: u32,
  scale: f32,
  OFirst: u32,
  OWhole: u32,
  LFirst: u32,
  LWhole: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;              // [O,L,I]
@group(0) @binding(1) var<storage, read_write> y: array<value>;        // [O,I]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;    // [O, splits, I]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let length = split_length(params.LWhole, params.I);
  let splits = max(1u, (params.L + length - 1u) / length);
  if (i >= params.O * splits * params.I) {
    return;
  }
  let column = i % params.I;
  let split = i / params.I % splits;
  let o = i / params.I / splits;
  let end = min(params.L, (split + 1u) * length);

  // A maximum begins with an element of its own, which may come again; a sum with 0.
  var l = split * length;
  var at = (o * params.L + l) * params.I + column;
  var four = vec4<f32>();
  if (params.f != 0u) {
    four = vec4(f32(x[at]));
  }
  for (; l + 3u < end; l += 4u) {
    let next = vec4(x[at], x[at + params.I], x[at + 2u * params.I], x[at + 3u * params.I]);
    four = reduce_four(params.f, four, vec4<f32>(next));
    at += 4u * params.I;
  }
  for (; l < end; l++) {
    four.x = reduce_two(params.f, four.x, f32(x[at]));
    at += params.I;
  }
  let pairs = reduce_four(params.f, four, four.zwxy);
  let result = reduce_two(params.f, pairs.x, pairs.y);

  if (length >= params.LWhole) {
    y[i] = value(params.scale * result);
  } else {
    partial[(params.OFirst * splits + params.LFirst / length) * params.I + i] = result;
  }
}
