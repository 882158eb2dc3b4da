// The largest entries of a row. An entry is (key, index): larger keys come first, of equal keys the lower index. Keys
// are integers, so that no compiler may reason that NaN and infinities do not occur.

const FIRST = vec2(0xffffffffu, 0u);    // in front of every entry
const NOTHING = vec2(0u, 0xffffffffu);  // behind every entry

const FINALISTS = min(WORKGROUP, 16u);

var<workgroup> candidates: array<vec2<u32>, WORKGROUP>;
var<workgroup> finalists: array<vec2<u32>, FINALISTS>;

// Orders as x does. Zeros of both signs are equal; NaN is above infinity, so that it does not go unseen.
fn order_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) {
    return 0xfffffffeu;
  }
  if (size == bits || size == 0u) {
    return size | 0x80000000u;
  }
  return ~bits;
}

fn in_front(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}

// The foremost of the entries of WORKGROUP threads, a power of two. Every thread must call it, and gets the result. Two
// steps and two barriers, as in reduce.wgsl.
fn workgroup_foremost(entry: vec2<u32>, lane: u32) -> vec2<u32> {
  candidates[lane] = entry;
  workgroupBarrier();
  if (lane < FINALISTS) {
    var best = candidates[lane];
    for (var i = lane + FINALISTS; i < WORKGROUP; i += FINALISTS) {
      best = foremost(best, candidates[i]);
    }
    finalists[lane] = best;
  }
  workgroupBarrier();
  var best = finalists[0];
  for (var i = 1u; i < FINALISTS; i++) {
    best = foremost(best, finalists[i]);
  }
  return best;
}

fn foremost(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return select(b, a, in_front(a, b));
}
