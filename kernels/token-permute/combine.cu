// token-permute/combine (cuda)
// Math      y[t] = Σ_k weights[t,k] x[row of (t,k)] (+ what was there); a dropped choice adds nothing; without weights they
//           are 1
// Shapes    x [R,C] · weights [T,K] f32 or absent · lists [L] i32 · y [T,C]
// Method    a thread adds up the rows of all choices for a vector of columns
// Tiling    held-row.cuh: 8 threads, a warp or a block own a token
// Launch    overRows
// Numerics  f32, choices in order, from what was there on; y rounds once
#include "../common/cuda/held-row.cuh"
#include "../common/cuda/routing.cuh"

struct Params {
  uint32_t T, E, K, R, C, L, accumulate, hasWeights;
};

template <class V, class Rows>
__device__ void combine(const V *x, const float *weights, const int32_t *list, V *y, const Params &p) {
  constexpr unsigned int W = WIDTH<V>;
  const Rows rows(p.T);
  const auto columns = Columns<V>::gathered(rows, p.C);
  const RoutingLists lists(list, p.E, p.R);
  const size_t first = rows.row * p.K;
  V *out = y + columns.start;

  for_vectors(rows, columns, [&](unsigned int, int c) {
    float sums[W] = {};
    if (p.accumulate) {
      const auto before = columns.load(out, c, columns.aligned);
#pragma unroll
      for (unsigned int j = 0; j < W; ++j) sums[j] = to_float(before.values[j]);
    }
#pragma unroll 2
    for (size_t choice = first; choice < first + p.K; ++choice) {
      const auto row = static_cast<uint32_t>(lists.position[choice]);  // -1, dropped: beyond every row
      if (row >= p.R) continue;
      const float weight = p.hasWeights ? weights[choice] : 1.0f;
      const auto term = columns.load(x + size_t{row} * p.C, c, columns.aligned);
#pragma unroll
      for (unsigned int j = 0; j < W; ++j) sums[j] = fmaf(weight, to_float(term.values[j]), sums[j]);
    }
    Vector<V, W> result;
#pragma unroll
    for (unsigned int j = 0; j < W; ++j) result.values[j] = from_float<V>(sums[j]);
    columns.store(out, c, result);
  });
}

#define TOKEN_PERMUTE_COMBINE(V)                                                                              \
  ROW_KERNELS(token_permute_combine, V, combine,                                                              \
              (const Value_##V *x, const float *weights, const int32_t *lists, Value_##V *y, const Params p), \
              (x, weights, lists, y, p))
FOR_FLOATS(TOKEN_PERMUTE_COMBINE)
