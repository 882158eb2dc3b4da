// l2-normalize/backward (cuda)
// Math      dx[t,c] = (dy[t,c] - n[t,c] * Σ_c dy n) / max(norm[t], eps);  n = x / max(norm, eps);
//           the sum counts only where norm >= eps: below, the divisor is a constant
// Shapes    dy, x, dx [T,C] · norm [T] f32
// Method    per row, which is read once and held: the sum, then dx
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; divides rather than scales, since 1 / eps may be beyond f32; stores round once
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
  float eps;
};

template <class V, class Rows>
__device__ void backward(const V *dy, const V *x, const float *norm, V *dx, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> gradient(columns, rows, dy + columns.start), row(columns, rows, x + columns.start);
  const float length = rows.exists ? norm[rows.row] : 0.0f;
  const float divisor = length < p.eps ? p.eps : length;  // NaN stays

  float along = 0.0f;
  if (length >= p.eps)
    for_row(
        rows, columns, [&](uint32_t, float d, float v) { along += d * (v / divisor); }, gradient, row);
  along = rows.sum(along);

  map_row(
      rows, columns, dx + columns.start,
      [&](uint32_t, float d, float v) { return (d - v / divisor * along) / divisor; }, gradient, row);
}

#define L2_NORMALIZE_BACKWARD(V)                                                                           \
  ROW_KERNELS(l2_normalize_backward, V, backward,                                                          \
              (const Value_##V *dy, const Value_##V *x, const float *norm, Value_##V *dx, const Params p), \
              (dy, x, norm, dx, p))
FOR_FLOATS(L2_NORMALIZE_BACKWARD)
