// cross-entropy/forward (cuda)
// Math      loss[t] = (1 - smoothing) * (log s + m - logits[t,target]) + smoothing * mean_v(log s + m - logits[t,v]);
//           m = max_v logits[t,v], s = Σ_v exp(logits[t,v] - m)
// Shapes    logits [T,V] · target [T] i32 · loss, maximum (m), log_sum (log s) [T] f32
// Method    per row one pass over memory: each thread's maximum and sum (log-sum.cuh), joined. With smoothing a second one
//           over the row, held or from cache, for the distances to m
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row
// Launch    overRows
// Numerics  f32; log s and m are never added up: a large m would swallow log s; the order of the sums depends on the shape
//           only
// Limits    rows with an ignored target, or one outside [0, V) (a fault), are not read: their results are 0
#include "../common/cuda/fault.cuh"
#include "../common/cuda/log-sum.cuh"

struct Params {
  uint32_t T, V, ignoreIndex;
  float smoothing;
  uint32_t faultLabel;
};

template <class V, class Rows>
__device__ void forward(const V *logits, const int32_t *target, float *loss, float *maximum, float *log_sum,
                        uint32_t *faults, const Params &p) {
  const Rows rows(p.T);
  const uint32_t wanted = rows.exists ? static_cast<uint32_t>(target[rows.row]) : p.ignoreIndex;
  const bool counts = wanted != p.ignoreIndex && wanted < p.V;
  Columns<V> columns(rows, p.V);
  if (!counts) columns.C = 0;  // nothing is read
  const V *x = logits + columns.start;
  const HeldRow<V, Rows> row(columns, rows, x);

  LogSum total;
  for_vectors(rows, columns, [&](unsigned int i, int v) { total.add(columns, v, row.at(i, v)); });
  total.join(rows);
  float shifted = 0.0f;
  if (p.smoothing > 0.0f) {
    for_row(
        rows, columns, [&](uint32_t, float v) { shifted += v - total.maximum; }, row);
    shifted = rows.sum(shifted);
  }
  if (!rows.exists || rows.thread != 0) return;

  if (!counts) {
    loss[rows.row] = maximum[rows.row] = log_sum[rows.row] = 0.0f;
    if (wanted != p.ignoreIndex) report_bad_index(faults, p.faultLabel, static_cast<uint32_t>(rows.row), wanted);
    return;
  }
  const float log_s = logf(total.sum);
  float result = log_s + (total.maximum - to_float(x[wanted]));
  if (p.smoothing > 0.0f)
    result = (1.0f - p.smoothing) * result + p.smoothing * (log_s - shifted / static_cast<float>(p.V));
  loss[rows.row] = result;
  maximum[rows.row] = total.maximum;
  log_sum[rows.row] = log_s;
}

#define CROSS_ENTROPY_FORWARD(V)                                                                            \
  ROW_KERNELS(cross_entropy_forward, V, forward,                                                            \
              (const Value_##V *logits, const int32_t *target, float *loss, float *maximum, float *log_sum, \
               uint32_t *faults, const Params p),                                                           \
              (logits, target, loss, maximum, log_sum, faults, p))
FOR_FLOATS(CROSS_ENTROPY_FORWARD)
