// copy/index-add (cuda)
// Math      y[o,v,:] = base[o,v,:] + Σ_{k: index[k] = v} x[o,k,:]; a fault where index[k] is outside [0, V)
// Shapes    x [O,K,I] · index [K] i32 · base, y [O,V,I], base optional (0), may be y · faults u32[4]
//           scratch: V + 1 starts and K entries, u32
// Method    1. lists: of each v its k, in order   2. short: lists of up to 32   3. long: the others
// Tiling    1: a block owns 256 v · 2: a thread owns 16 bytes of y · 3: a block owns 32 vectors of a row
// Launch    1: grid (ceil(V / 256)), 512 threads · 2: (ceil(elements / elements of a block)), 256 threads
//           3: (O ceil(K / 32) chunks of a row), 512 threads
// Numerics  f32, the order depends on the length of a list only; rounds once
#include "../common/cuda/fault.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/list-sums.cuh"

struct Params {
  uint32_t O, V, K, I, hasBase, faultLabel;
};

__device__ inline void make(const uint32_t *index, uint32_t *faults, uint32_t *scratch, const Params &p) {
  if (blockIdx.x == 0) {
    for (uint32_t k = threadIdx.x; k < p.K; k += LIST_THREADS)  // a negative one is a large one
      if (index[k] >= p.V) report_bad_index(faults, p.faultLabel, k, index[k]);
  }
  make_lists(Lists(scratch, p.V), p.K, p.V, [=](uint32_t k) { return index[k]; });
}

#define ARGUMENTS(DTYPE)                                                                                         \
  (const Value_##DTYPE *x, const uint32_t *index, const Value_##DTYPE *base, Value_##DTYPE *y, uint32_t *faults, \
   uint32_t *scratch, const Params p)

#define COPY_INDEX_ADD(DTYPE)                                                                                   \
  extern "C" __global__ void __launch_bounds__(LIST_THREADS) copy_index_add_lists_##DTYPE ARGUMENTS(DTYPE) {    \
    make(index, faults, scratch, p);                                                                            \
  }                                                                                                             \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) copy_index_add_short_##DTYPE ARGUMENTS(DTYPE) { \
    sum_short_lists(x, p.hasBase != 0 ? base : nullptr, y, Lists(scratch, p.V), {p.O, p.V, p.K, p.I});          \
  }                                                                                                             \
  extern "C" __global__ void __launch_bounds__(LONG_THREADS, 2) copy_index_add_long_##DTYPE ARGUMENTS(DTYPE) {  \
    sum_long_lists(x, p.hasBase != 0 ? base : nullptr, y, Lists(scratch, p.V), {p.O, p.V, p.K, p.I},            \
                   [=](uint32_t k) { return index[k]; });                                                       \
  }
FOR_FLOATS(COPY_INDEX_ADD)
