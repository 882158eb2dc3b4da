// rms-norm/backward-input (cuda)
// Math      dx[t,c] = rstd[t] * (g[t,c] - n[t,c] * mean_c(g n));  g = dy * weight, n = x * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · rstd [T] f32
// Method    per row, which is read once and held: the mean, then dx
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; the order of the sum depends on the shape only; stores round once
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
};

template <class V, class Rows>
__device__ void backward_input(const V *dy, const V *x, const V *weight, const float *rstd, V *dx, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> gradient(columns, rows, dy + columns.start), row(columns, rows, x + columns.start);
  const SharedRow<V> weights{columns, weight};
  const float r = rows.exists ? rstd[rows.row] : 0.0f;

  float sum = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float d, float v, float w) { sum += d * w * (v * r); }, gradient, row, weights);
  const float mean = rows.sum(sum) / static_cast<float>(p.C);

  map_row(
      rows, columns, dx + columns.start,
      [&](uint32_t, float d, float v, float w) { return r * (d * w - v * r * mean); }, gradient, row, weights);
}

#define RMS_NORM_BACKWARD_INPUT(V)                                                                                 \
  ROW_KERNELS(rms_norm_backward_input, V, backward_input,                                                          \
              (const Value_##V *dy, const Value_##V *x, const Value_##V *weight, const float *rstd, Value_##V *dx, \
               const Params p),                                                                                    \
              (dy, x, weight, rstd, dx, p))
FOR_FLOATS(RMS_NORM_BACKWARD_INPUT)
