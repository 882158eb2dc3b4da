// layer-norm/backward-input (cuda)
// Math      dx[t,c] = rstd[t] * (g[t,c] - mean_c(g) - n[t,c] * mean_c(g n));  g = dy * weight, n = (x - mean) * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · mean, rstd [T] f32
// Method    per row, which is read once and held: both means, then dx
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; the order of the sums depends on the shape only; stores round once
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
};

template <class V, class Rows>
__device__ void backward_input(const V *dy, const V *x, const V *weight, const float *mean, const float *rstd, V *dx,
                               const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> gradient(columns, rows, dy + columns.start), row(columns, rows, x + columns.start);
  const SharedRow<V> weights{columns, weight};
  const float m = rows.exists ? mean[rows.row] : 0.0f, r = rows.exists ? rstd[rows.row] : 0.0f;

  float sum_g = 0.0f, sum_gn = 0.0f;
  const auto add = [&](uint32_t, float d, float v, float w) {
    const float g = d * w;
    sum_g += g;
    sum_gn += g * ((v - m) * r);
  };
  for_row(rows, columns, add, gradient, row, weights);

  const float width = static_cast<float>(p.C);
  const float mean_g = rows.sum(sum_g) / width, mean_gn = rows.sum(sum_gn) / width;
  map_row(
      rows, columns, dx + columns.start,
      [&](uint32_t, float d, float v, float w) { return r * (d * w - mean_g - (v - m) * r * mean_gn); }, gradient, row,
      weights);
}

#define LAYER_NORM_BACKWARD_INPUT(V)                                                                                   \
  ROW_KERNELS(layer_norm_backward_input, V, backward_input,                                                            \
              (const Value_##V *dy, const Value_##V *x, const Value_##V *weight, const float *mean, const float *rstd, \
               Value_##V *dx, const Params p),                                                                         \
              (dy, x, weight, mean, rstd, dx, p))
FOR_FLOATS(LAYER_NORM_BACKWARD_INPUT)
