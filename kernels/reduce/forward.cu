// reduce/forward (cuda)
// Math      y[o,i] = scale · f_l x[o,l,i]; f is a sum, a maximum or a minimum (functions.ts)
// Shapes    x [O,L,I] · y [O,I] · scratch: partial results [O, splits, I] f32
// Method    rows (I = 1) of up to 1,024: some lanes of a warp each · longer ones: runs of 8,192, or a 256th of the row ·
//           columns: runs of 128 rows, or a 256th of them · join: partial results of one output
// Tiling    rows: a warp owns one or more · runs: a block owns one · columns, join: a block owns up to 32 columns of a run
// Launch    rows: grid (ceil(O / rows of a block)), 128 threads · runs: (O splits) · columns: (O splits column blocks) ·
//           join: (O column blocks), where L is split; 256 threads. Those that are not for the shape are empty.
// Numerics  f32; the order depends on the shape only. NaN gives NaN in a maximum, too.
#include "../common/cuda/columns.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/rows.cuh"
#include "../common/cuda/shuffle.cuh"
#include "functions.cuh"

struct Params {
  uint32_t O, L, I, f;
  float scale;
};

// The same numbers are in kernels.ts.
constexpr uint32_t ROW_THREADS = 128, THREADS = 256;
constexpr uint32_t RUN = 8192, ROWS = 128, SPLITS = 256;

// Lanes of a warp that share a row of L: some four elements each.
__device__ inline uint32_t row_lanes(uint32_t L) { return column_width((L + 3) / 4); }

// Elements of a run, of I = 1 a multiple of 16 bytes.
__device__ inline uint32_t split_length(const Params &p) {
  return p.I == 1 ? max(RUN, (p.L / SPLITS + 8) / 8 * 8) : max(ROWS, p.L / SPLITS + 1);
}

// f over the elements of a row that one of `threads` owns.
template <class F, class V>
__device__ inline float reduce_row(const V *x, uint32_t n, uint32_t thread, uint32_t threads) {
  constexpr unsigned int N = 16 / sizeof(V);
  float results[N];
  for (unsigned int k = 0; k < N; ++k) results[k] = F::identity();
  for_row(x, n, thread, threads,
          [&](uint32_t, V value, unsigned int k) { results[k] = F::combine(results[k], to_float(value)); });
#pragma unroll
  for (unsigned int half = N / 2; half > 0; half /= 2)
    for (unsigned int k = 0; k < half; ++k) results[k] = F::combine(results[k], results[k + half]);
  return results[0];
}

// Of all threads with the same threadIdx.x modulo `width`, a power of two: for the first of them.
template <class F>
__device__ inline float reduce_threads(float value, uint32_t width) {
  __shared__ float results[THREADS];
  const uint32_t thread = threadIdx.x;
  results[thread] = value;
  __syncthreads();
  for (uint32_t half = THREADS / 2; half >= width; half /= 2) {
    if (thread < half) results[thread] = F::combine(results[thread], results[thread + half]);
    __syncthreads();
  }
  return results[thread];
}

template <class V>
__device__ void reduce_rows(const V *x, V *y, const Params &p) {
  const uint32_t lanes = row_lanes(p.L), thread = blockIdx.x * ROW_THREADS + threadIdx.x;
  const uint32_t o = thread / lanes, lane = thread - o * lanes;
  with_reduction(p.f, [&](auto f) {
    using F = decltype(f);
    float result = reduce_row<F>(x + size_t{o} * p.L, o < p.O ? p.L : 0, lane, lanes);
    for (uint32_t mask = lanes / 2; mask > 0; mask /= 2) result = F::combine(result, shuffle_xor(result, mask));
    if (lane == 0 && o < p.O) y[o] = from_float<V>(result * p.scale);
  });
}

template <class V>
__device__ void reduce_runs(const V *x, V *y, float *partial, const Params &p) {
  const uint32_t length = split_length(p), splits = (p.L + length - 1) / length;
  const uint32_t o = blockIdx.x / splits, from = (blockIdx.x - o * splits) * length;
  with_reduction(p.f, [&](auto f) {
    using F = decltype(f);
    const V *run = x + size_t{o} * p.L + from;
    const float result = reduce_threads<F>(reduce_row<F>(run, min(length, p.L - from), threadIdx.x, THREADS), 1);
    if (threadIdx.x != 0) return;
    if (splits == 1)
      y[o] = from_float<V>(result * p.scale);
    else
      partial[blockIdx.x] = result;
  });
}

// f over rows [0, n) of I columns, for the columns from `column` on; `write` gets the column and its result.
template <class V, class Write>
__device__ inline void reduce_block(uint32_t f, const V *x, uint32_t n, uint32_t I, uint32_t column, Write write) {
  const uint32_t width = column_width(I), c = column + threadIdx.x % width;
  with_reduction(f, [&](auto reduction) {
    using F = decltype(reduction);
    float result = F::identity();
    if (c < I) {
#pragma unroll 8
      for (uint32_t l = threadIdx.x / width; l < n; l += THREADS / width)
        result = F::combine(result, to_float(x[size_t{l} * I + c]));
    }
    result = reduce_threads<F>(result, width);
    if (threadIdx.x < width && c < I) write(c, result);
  });
}

template <class V>
__device__ void reduce_columns(const V *x, V *y, float *partial, const Params &p) {
  const uint32_t length = split_length(p), splits = max(1u, (p.L + length - 1) / length), width = column_width(p.I);
  const uint32_t blocks = (p.I + width - 1) / width, cell = blockIdx.x / blocks;
  const uint32_t o = cell / splits, from = (cell - o * splits) * length;
  reduce_block(p.f, x + (size_t{o} * p.L + from) * p.I, min(length, p.L - from), p.I,
               (blockIdx.x - cell * blocks) * width, [&](uint32_t c, float result) {
                 if (splits == 1)
                   y[size_t{o} * p.I + c] = from_float<V>(result * p.scale);
                 else
                   partial[size_t{cell} * p.I + c] = result;
               });
}

template <class V>
__device__ void reduce_join(V *y, const float *partial, const Params &p) {
  const uint32_t length = split_length(p), splits = (p.L + length - 1) / length, width = column_width(p.I);
  const uint32_t blocks = (p.I + width - 1) / width, o = blockIdx.x / blocks;
  reduce_block(p.f, partial + size_t{o} * splits * p.I, splits, p.I, (blockIdx.x - o * blocks) * width,
               [&](uint32_t c, float result) { y[size_t{o} * p.I + c] = from_float<V>(result * p.scale); });
}

// x [O,L,I] · y [O,I] · partial [O, splits, I]
#define ARGUMENTS(V) \
  (const Value_##V *__restrict__ x, Value_##V *__restrict__ y, float *__restrict__ partial, const Params p)

#define REDUCE_FORWARD(V)                                                                          \
  extern "C" __global__ void __launch_bounds__(ROW_THREADS) reduce_forward_rows_##V ARGUMENTS(V) { \
    reduce_rows(x, y, p);                                                                          \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(THREADS) reduce_forward_runs_##V ARGUMENTS(V) {     \
    reduce_runs(x, y, partial, p);                                                                 \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(THREADS) reduce_forward_columns_##V ARGUMENTS(V) {  \
    reduce_columns(x, y, partial, p);                                                              \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(THREADS) reduce_forward_join_##V ARGUMENTS(V) {     \
    reduce_join(y, partial, p);                                                                    \
  }
FOR_FLOATS(REDUCE_FORWARD)
