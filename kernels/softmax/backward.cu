// softmax/backward (cuda)
// Math      dx[t,c] = y[t,c] * (dy[t,c] - Σ_c dy y);  when `log`: dx[t,c] = dy[t,c] - exp(y[t,c]) * Σ_c dy
// Shapes    dy, y, dx [T,C]
// Method    per row, which is read once and held: the sum, then dx
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; the order of the sum depends on the shape only; stores round once
#include "../common/cuda/exp.cuh"
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C, log;
};

template <class V, class Rows>
__device__ void backward(const V *dy, const V *y, V *dx, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> gradient(columns, rows, dy + columns.start), row(columns, rows, y + columns.start);
  V *out = dx + columns.start;

  float along = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float d, float v) { along += p.log ? d : d * v; }, gradient, row);
  const float sum = rows.sum(along);

  if (p.log)
    map_row(
        rows, columns, out, [&](uint32_t, float d, float v) { return d - exp_or_zero(v) * sum; }, gradient, row);
  else
    map_row(
        rows, columns, out, [&](uint32_t, float d, float v) { return v * (d - sum); }, gradient, row);
}

#define SOFTMAX_BACKWARD(V)                                                                                            \
  ROW_KERNELS(softmax_backward, V, backward, (const Value_##V *dy, const Value_##V *y, Value_##V *dx, const Params p), \
              (dy, y, dx, p))
FOR_FLOATS(SOFTMAX_BACKWARD)
