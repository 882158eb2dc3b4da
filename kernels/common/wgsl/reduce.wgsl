// Reductions over a workgroup of WORKGROUP threads, a power of two. Every thread must call them, and gets the result.
// Two steps, by at most 16 threads and by all, since barriers are dearer than additions: a tree of 256 threads took
// lavapipe 220 ms for 69, and 1.9 s of compiling for 0.7. Calls need no barrier between them: nobody reads `partial`
// after the second barrier, nor `joined` after the first one of the next call.

const GROUPS = min(WORKGROUP, 16u);

var<workgroup> partial: array<f32, WORKGROUP>;
var<workgroup> joined: array<f32, GROUPS>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  if (lane < GROUPS) {
    var sum = partial[lane];
    for (var i = lane + GROUPS; i < WORKGROUP; i += GROUPS) {
      sum += partial[i];
    }
    joined[lane] = sum;
  }
  workgroupBarrier();
  var sum = joined[0];
  for (var i = 1u; i < GROUPS; i++) {
    sum += joined[i];
  }
  return sum;
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  if (lane < GROUPS) {
    var maximum = partial[lane];
    for (var i = lane + GROUPS; i < WORKGROUP; i += GROUPS) {
      maximum = max(maximum, partial[i]);
    }
    joined[lane] = maximum;
  }
  workgroupBarrier();
  var maximum = joined[0];
  for (var i = 1u; i < GROUPS; i++) {
    maximum = max(maximum, joined[i]);
  }
  return maximum;
}
