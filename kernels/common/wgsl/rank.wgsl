// The narrow product of a low-rank adapter: rank[t,r] = sum over c < width of wide[t,c] narrow[r,c], one row by a
// workgroup. The kernel defines wide_four(at), narrow(r, c) and store_rank(at, sum).
//
// Method    for eight ranks at a time: a thread takes every WORKGROUP-th four elements of the row, which stays in cache,
//           and has a sum for each rank; then a thread for each rank adds the sums of all threads
// Numerics  f32, the order of the sums depends on width and WORKGROUP only

const RANKS = 8u;

var<workgroup> partial_ranks: array<f32, WORKGROUP * RANKS>;  // [thread][rank]

fn multiply_row(t: u32, width: u32, R: u32, lane: u32) {
  for (var first = 0u; first < R; first += RANKS) {
    var sums = array<f32, RANKS>();
    for (var c = 4u * lane; c < width; c += 4u * WORKGROUP) {
      let four = wide_four(t * width + c);
      for (var j = 0u; j < min(4u, width - c); j++) {
        for (var r = 0u; r < RANKS; r++) {
          sums[r] += four[j] * narrow(first + r, c + j);
        }
      }
    }
    for (var r = 0u; r < RANKS; r++) {
      partial_ranks[lane * RANKS + r] = sums[r];
    }
    workgroupBarrier();

    if (lane < RANKS && first + lane < R) {
      var sum = 0.0;
      for (var thread = 0u; thread < WORKGROUP; thread++) {
        sum += partial_ranks[thread * RANKS + lane];
      }
      store_rank(t * R + first + lane, sum);
    }
    workgroupBarrier();
  }
}
