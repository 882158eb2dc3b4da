// Reductions over a workgroup of WORKGROUP threads, a power of two. Every thread must call them, and gets the result.

var<workgroup> partial: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
  }
  workgroupBarrier();
  let sum = partial[0];
  workgroupBarrier();  // before the next call overwrites it
  return sum;
}
