// softmax/forward (cuda)
// Math      y[t,c] = exp(x[t,c] - m) / s, or x[t,c] - m - log s when `log`;  m = max_c x, s = Σ_c exp(x - m)
// Shapes    x, y [T,C]
// Method    per row, which is read once and held: each thread's maximum and sum (log-sum.cuh), joined; then y. A row that is
//           too long to hold is read twice
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; no exponential overflows, whatever finite x; the order of the sum depends on the shape only; stores round
//           once
#include "../common/cuda/log-sum.cuh"

struct Params {
  uint32_t T, C, log;
};

template <class V, class Rows>
__device__ void forward(const V *x, V *y, const Params &p) {
  const Rows rows(p.T);
  const Columns<V> columns(rows, p.C);
  const HeldRow<V, Rows> row(columns, rows, x + columns.start);
  V *out = y + columns.start;

  LogSum total;
  for_vectors(rows, columns, [&](unsigned int i, int c) { total.add(columns, c, row.at(i, c)); });
  total.join(rows);

  const float m = total.maximum;
  if (p.log) {
    const float log_s = logf(total.sum);
    map_row(
        rows, columns, out, [&](uint32_t, float v) { return v - m - log_s; }, row);
  } else {
    const float scale = 1.0f / total.sum;
    map_row(
        rows, columns, out, [&](uint32_t, float v) { return exp_or_zero(v - m) * scale; }, row);
  }
}

#define SOFTMAX_FORWARD(V) \
  ROW_KERNELS(softmax_forward, V, forward, (const Value_##V *x, Value_##V *y, const Params p), (x, y, p))
FOR_FLOATS(SOFTMAX_FORWARD)
