// layer-norm/forward (cuda)
// Math      y[t,c] = (x[t,c] - mean[t]) * rstd[t] * weight[c] + bias[c];  rstd = 1 / sqrt(var + eps), var over C, biased
// Shapes    x, y [T,C] · weight, bias [C] · mean, rstd [T] f32
// Method    per row, which is read once and held: sum → mean; sum of squared distances → rstd; normalise
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32, two passes for the variance (no cancellation); the order of the sums depends on the shape only; stores
//           round once
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
  float eps;
};

template <class V, class Rows>
__device__ void forward(const V *x, const V *weight, const V *bias, V *y, float *mean, float *rstd, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> row(columns, rows, x + columns.start);
  const float width = static_cast<float>(p.C);

  float sum = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float v) { sum += v; }, row);
  const float m = rows.sum(sum) / width;

  float squares = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float v) { squares += (v - m) * (v - m); }, row);
  const float r = 1.0f / sqrtf(rows.sum(squares) / width + p.eps);

  map_row(
      rows, columns, y + columns.start, [&](uint32_t, float v, float w, float b) { return (v - m) * r * w + b; }, row,
      SharedRow<V>{columns, weight}, SharedRow<V>{columns, bias});
  if (rows.exists && rows.thread == 0) {
    mean[rows.row] = m;
    rstd[rows.row] = r;
  }
}

#define LAYER_NORM_FORWARD(V)                                                                                 \
  ROW_KERNELS(layer_norm_forward, V, forward,                                                                 \
              (const Value_##V *x, const Value_##V *weight, const Value_##V *bias, Value_##V *y, float *mean, \
               float *rstd, const Params p),                                                                  \
              (x, weight, bias, y, mean, rstd, p))
FOR_FLOATS(LAYER_NORM_FORWARD)
