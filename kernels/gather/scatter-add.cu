// gather/scatter-add (cuda)
// Math      y[o,v,i] = base[o,v,i] + Σ_{k: index[o,k,i] = v} x[o,k,i]; a fault where the index is outside [0, V)
// Shapes    x [O,K,I] · index [O,K,I] i32 · base, y [O,V,I], base optional (0) · faults u32[4]
// Method    few (K up to 512): each element of y looks through the indices of its column
//           many: each thread has 32 sums of its own in shared memory, for a stretch of v, and walks down a column, every
//           so many k; no atomics. Then the sums of an element's threads are joined in order.
// Tiling    few: a thread owns an element of y · many: a block owns 32 v of up to 32 columns
// Launch    few: grid (ceil(O V I / 256)) · many: (O column blocks · stretches of v); 256 threads
// Numerics  f32, the order depends on the shape only; rounds once
#include "../common/cuda/columns.cuh"
#include "../common/cuda/elements.cuh"
#include "../common/cuda/fault.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t O, V, K, I, faultLabel, hasBase;
};

constexpr uint32_t STRETCH = 32;  // of v; also in kernels.ts

template <class T>
__device__ void few(const T *x, const uint32_t *index, const T *base, T *y, uint32_t *faults, const Params &p) {
  const size_t to = size_t{blockIdx.x} * ELEMENT_THREADS + threadIdx.x;
  if (to >= size_t{p.O} * p.V * p.I) return;
  const uint32_t row = static_cast<uint32_t>(to) / p.I, i = static_cast<uint32_t>(to) - row * p.I;
  const uint32_t o = row / p.V, v = row - o * p.V;
  float sum = p.hasBase != 0 ? to_float(base[to]) : 0.0f;
#pragma unroll 4
  for (uint32_t k = 0; k < p.K; ++k) {
    const size_t at = (size_t{o} * p.K + k) * p.I + i;
    const uint32_t found = index[at];  // a negative one is a large one
    if (found == v) sum += to_float(x[at]);
    if (v == 0 && found >= p.V) report_bad_index(faults, p.faultLabel, static_cast<uint32_t>(at), found);
  }
  y[to] = from_float<T>(sum);
}

template <class T>
__device__ void many(const T *x, const uint32_t *index, const T *base, T *y, uint32_t *faults, const Params &p) {
  __shared__ float sums[STRETCH][ELEMENT_THREADS];
  const uint32_t thread = threadIdx.x, width = column_width(p.I), walkers = ELEMENT_THREADS / width;
  const uint32_t blocks = (p.I + width - 1) / width, stretches = (p.V + STRETCH - 1) / STRETCH;
  const uint32_t cell = blockIdx.x / stretches, v0 = (blockIdx.x - cell * stretches) * STRETCH;
  const uint32_t o = cell / blocks, i0 = (cell - o * blocks) * width, i = i0 + thread % width;

  for (uint32_t v = 0; v < STRETCH; ++v) sums[v][thread] = 0.0f;
  if (i < p.I) {
#pragma unroll 4
    for (uint32_t k = thread / width; k < p.K; k += walkers) {
      const size_t at = (size_t{o} * p.K + k) * p.I + i;
      const uint32_t found = index[at];
      if (found - v0 < STRETCH && found < p.V) sums[found - v0][thread] += to_float(x[at]);
      if (v0 == 0 && found >= p.V) report_bad_index(faults, p.faultLabel, static_cast<uint32_t>(at), found);
    }
  }
  __syncthreads();
  for (uint32_t place = thread; place < STRETCH * width; place += ELEMENT_THREADS) {
    const uint32_t v = place / width, c = place - v * width;
    if (v0 + v >= p.V || i0 + c >= p.I) continue;
    const size_t to = (size_t{o} * p.V + v0 + v) * p.I + i0 + c;
    float sum = p.hasBase != 0 ? to_float(base[to]) : 0.0f;
    for (uint32_t walker = 0; walker < walkers; ++walker) sum += sums[v][walker * width + c];
    y[to] = from_float<T>(sum);
  }
}

// x, index [O,K,I] · base, y [O,V,I] · faults [4]
#define ARGUMENTS(DTYPE)                                                                                            \
  (const Value_##DTYPE *__restrict__ x, const uint32_t *__restrict__ index, const Value_##DTYPE *__restrict__ base, \
   Value_##DTYPE *__restrict__ y, uint32_t *__restrict__ faults, const Params p)

#define GATHER_SCATTER_ADD(DTYPE)                                                                                  \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) gather_scatter_add_few_##DTYPE ARGUMENTS(DTYPE) {  \
    few(x, index, base, y, faults, p);                                                                             \
  }                                                                                                                \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) gather_scatter_add_many_##DTYPE ARGUMENTS(DTYPE) { \
    many(x, index, base, y, faults, p);                                                                            \
  }
FOR_FLOATS(GATHER_SCATTER_ADD)
