// rms-norm/backward-weight (cuda)
// Math      dweight[c] = Σ_t dy[t,c] * x[t,c] * rstd[t]
// Shapes    dy, x [T,C] · rstd [T] f32 · dweight [C] · lines, the scratch [lines,C] f32
// Method    column-sums.cuh
// Launch    columnSums: partial: blocks of rows and columns; join: 32 columns a block
// Numerics  f32; the order of the sums depends on T only; stores round once
#include "../common/cuda/column-sums.cuh"

struct Params {
  uint32_t T, C;
};

template <class V>
__device__ void partial(const V *dy, const V *x, const float *rstd, float *lines, const Params &p) {
  sum_rows<1>(p.T, p.C, lines, [&](uint32_t t, uint32_t c, float(&sums)[1][SUM_WIDTH]) {
    const auto g = load_columns(dy + size_t{t} * p.C, c, p.C), v = load_columns(x + size_t{t} * p.C, c, p.C);
    const float r = rstd[t];
#pragma unroll
    for (unsigned int k = 0; k < SUM_WIDTH; ++k) sums[0][k] += to_float(g.values[k]) * (to_float(v.values[k]) * r);
  });
}

#define RMS_NORM_BACKWARD_WEIGHT(V)                                                                            \
  extern "C" __global__ void __launch_bounds__(SUM_COLUMNS *SUM_ROWS) rms_norm_backward_weight_partial_##V(    \
      const Value_##V *dy, const Value_##V *x, const float *rstd, Value_##V *, float *lines, const Params p) { \
    partial(dy, x, rstd, lines, p);                                                                            \
  }                                                                                                            \
  extern "C" __global__ void __launch_bounds__(SUM_COLUMNS *JOIN_ROWS) rms_norm_backward_weight_join_##V(      \
      const Value_##V *, const Value_##V *, const float *, Value_##V *dweight, float *lines, const Params p) { \
    join_lines(lines, p.C, p.T, p.C, dweight);                                                                 \
  }
FOR_FLOATS(RMS_NORM_BACKWARD_WEIGHT)
