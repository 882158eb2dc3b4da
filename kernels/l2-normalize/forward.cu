// l2-normalize/forward (cuda)
// Math      y[t,c] = x[t,c] / max(norm[t], eps);  norm[t] = sqrt(Σ_c x²)
// Shapes    x, y [T,C] · norm [T] f32
// Method    per row, which is read once and held: sum of squares → norm; scale
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; the order of the sum depends on the shape only; stores round once
// Limits    norms above 1.8e19 overflow their square
#include "../common/cuda/held-row.cuh"

struct Params {
  uint32_t T, C;
  float eps;
};

template <class V, class Rows>
__device__ void forward(const V *x, V *y, float *norm, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> row(columns, rows, x + columns.start);

  float squares = 0.0f;
  for_row(
      rows, columns, [&](uint32_t, float v) { squares += v * v; }, row);
  const float length = sqrtf(rows.sum(squares));

  const float divisor = length < p.eps ? p.eps : length;  // NaN stays
  map_row(
      rows, columns, y + columns.start, [&](uint32_t, float v) { return v / divisor; }, row);
  if (rows.exists && rows.thread == 0) norm[rows.row] = length;
}

#define L2_NORMALIZE_FORWARD(V)                                                                                  \
  ROW_KERNELS(l2_normalize_forward, V, forward, (const Value_##V *x, Value_##V *y, float *norm, const Params p), \
              (x, y, norm, p))
FOR_FLOATS(L2_NORMALIZE_FORWARD)
