// token-permute/backward-combine (cuda)
// Math      with t, k of grouped row r: dx[r] = weights[t,k] dy[t], zero from the last row kept on; dweights[t,k] =
//           Σ_c dy[t,c] x[r,c], zero where dropped
// Shapes    dy [T,C] · x, dx [R,C] · weights, dweights [T,K] f32 · lists [L] i32
// Method    group i of threads writes the gradient of choice i and its row. A row that nobody kept has no choice: group i
//           writes row i, too, where it is one
// Tiling    held-row.cuh: 8 threads, a warp or a block own a choice
// Launch    overRows
// Numerics  f32; the order of the sum depends on the shape only; dx rounds once
#include "../common/cuda/held-row.cuh"
#include "../common/cuda/routing.cuh"

struct Params {
  uint32_t T, E, K, R, C, L;
};

template <class V, class Rows>
__device__ void backward_combine(const V *dy, const V *x, const float *weights, const int32_t *list, V *dx,
                                 float *dweights, const Params &p) {
  constexpr unsigned int W = WIDTH<V>;
  const Rows rows(p.R);
  const auto columns = Columns<V>::gathered(rows, p.C);
  const RoutingLists lists(list, p.E, p.R);
  const size_t choice = rows.row;
  const auto kept = static_cast<uint32_t>(lists.offsets[p.E]);
  const uint32_t row =
      rows.exists ? static_cast<uint32_t>(lists.position[choice]) : p.R;  // -1, dropped: beyond every row
  const float weight = row < kept && row < p.R ? weights[choice] : 0.0f;

  if (choice >= kept)
    for_vectors(rows, columns, [&](unsigned int, int c) { columns.store(dx + columns.start, c, Vector<V, W>{}); });

  float sum = 0.0f;
  if (row < kept && row < p.R) {
    const V *gradient = dy + choice / p.K * p.C, *result = x + size_t{row} * p.C;
    for_vectors(rows, columns, [&](unsigned int, int c) {
      const auto g = columns.load(gradient, c, columns.aligned), v = columns.load(result, c, columns.aligned);
      Vector<V, W> scaled;
#pragma unroll
      for (unsigned int j = 0; j < W; ++j) {
        const float d = to_float(g.values[j]);
        scaled.values[j] = from_float<V>(weight * d);
        sum = fmaf(d, to_float(v.values[j]), sum);  // zeros outside the row
      }
      columns.store(dx + size_t{row} * p.C, c, scaled);
    });
  }
  sum = rows.sum(sum);
  if (rows.exists && rows.thread == 0) dweights[choice] = sum;
}

#define TOKEN_PERMUTE_BACKWARD_COMBINE(V)                                                                          \
  ROW_KERNELS(token_permute_backward_combine, V, backward_combine,                                                 \
              (const Value_##V *dy, const Value_##V *x, const float *weights, const int32_t *lists, Value_##V *dx, \
               float *dweights, const Params p),                                                                   \
              (dy, x, weights, lists, dx, dweights, p))
FOR_FLOATS(TOKEN_PERMUTE_BACKWARD_COMBINE)
