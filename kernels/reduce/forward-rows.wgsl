// common: grid, reduction
// reduce/forward of long rows, I = 1 (webgpu)
// Math      y[o] = scale · f_l x[o,l]; f is a sum, a maximum or a minimum (functions.ts)
// Shapes    x [O,L] · y [O] · scratch: partial results [O, splits] f32
// Method    a thread reduces four interleaved sequences of its split; eight threads join those of the others, one theirs
// Tiling    a workgroup owns a split of a row
// Launch    grid (O · splits) folded, WORKGROUP threads
// Numerics  f32; the order depends on L and WORKGROUP only. NaN gives NaN in a maximum, too.

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

const JOINING = min(WORKGROUP, 8u);

var<workgroup> results: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let length = split_length(params.LWhole, params.I);
  let splits = max(1u, (params.L + length - 1u) / length);
  let cell = folded_index(group, groups);
  if (cell >= params.O * splits) {
    return;
  }
  let row = cell / splits * params.L;
  let end = row + min(params.L, (cell % splits + 1u) * length);

  // A maximum begins with an element of its own, which may come again; a sum with 0.
  let begin = row + cell % splits * length;
  let identity = select(f32(x[begin]), 0.0, params.f == 0u);
  var four = vec4(identity);
  var at = begin + lane;
  for (; at + 3u * WORKGROUP < end; at += 4u * WORKGROUP) {
    let next = vec4(x[at], x[at + WORKGROUP], x[at + 2u * WORKGROUP], x[at + 3u * WORKGROUP]);
    four = reduce_four(params.f, four, vec4<f32>(next));
  }
  for (; at < end; at += WORKGROUP) {
    four.x = reduce_two(params.f, four.x, f32(x[at]));
  }
  let pairs = reduce_four(params.f, four, four.zwxy);
  results[lane] = reduce_two(params.f, pairs.x, pairs.y);

  workgroupBarrier();
  if (lane < JOINING) {
    for (var other = lane + JOINING; other < WORKGROUP; other += JOINING) {
      results[lane] = reduce_two(params.f, results[lane], results[other]);
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    var result = results[0];
    for (var other = 1u; other < JOINING; other++) {
      result = reduce_two(params.f, result, results[other]);
    }
    if (length >= params.LWhole) {
      y[cell] = value(params.scale * result);
    } else {
      partial[params.OFirst * splits + params.LFirst / length + cell] = result;
    }
  }
}
