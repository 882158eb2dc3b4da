// rms-norm/forward (cuda)
// Math      y[t,c] = x[t,c] * rstd[t] * weight[c];  rstd = 1 / sqrt(mean_c(x²) + eps)
// Shapes    x, y [T,C] · weight [C] · rstd [T] f32
// Method    per row, which is read once and held: sum of squares → rstd; scale
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; the order of the sum depends on the shape only; stores round once
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
  float eps;
};

template <class V, class Rows>
__device__ void forward(const V *x, const V *weight, V *y, float *rstd, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> row(columns, rows, x + columns.start);

  float squares = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float v) { squares += v * v; }, row);
  const float r = 1.0f / sqrtf(rows.sum(squares) / static_cast<float>(p.C) + p.eps);

  map_row(
      rows, columns, y + columns.start, [&](uint32_t, float v, float w) { return v * r * w; }, row,
      SharedRow<V>{columns, weight});
  if (rows.exists && rows.thread == 0) rstd[rows.row] = r;
}

#define RMS_NORM_FORWARD(V)                                                                             \
  ROW_KERNELS(rms_norm_forward, V, forward,                                                             \
              (const Value_##V *x, const Value_##V *weight, Value_##V *y, float *rstd, const Params p), \
              (x, weight, y, rstd, p))
FOR_FLOATS(RMS_NORM_FORWARD)
