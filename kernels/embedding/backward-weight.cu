// embedding/backward-weight (cuda)
// Math      dweight[v,c] (+)= Σ_{t: ids[t] = v} dy[t,c];  ids of paddingIndex or outside [0, V) count nowhere
// Shapes    dy [T,C] · ids [T] i32 · dweight [V,C] · scratch: V + 1 starts and T entries, u32
// Method    1. lists: of each v its t, in order   2. short: lists of up to 32, zeros for the empty   3. long: the others
// Tiling    1: a block owns 256 v · 2: a thread owns 16 bytes of dweight · 3: a block owns 32 vectors of a row
// Launch    1: grid (ceil(V / 256)), 512 threads · 2: (ceil(V C / elements of a block)), 256 threads
//           3: (ceil(T / 32) chunks of a row), 512 threads
// Numerics  a row is summed in f32 before it meets dweight: a repeated id rounds once; the order depends on how many there are
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/list-sums.cuh"

struct Params {
  uint32_t T, V, C, paddingIndex, accumulate;
};

#define ARGUMENTS(DTYPE) \
  (const Value_##DTYPE *dy, const uint32_t *ids, Value_##DTYPE *dweight, uint32_t *scratch, const Params p)

#define EMBEDDING_BACKWARD_WEIGHT(DTYPE)                                                                            \
  extern "C" __global__ void __launch_bounds__(LIST_THREADS) embedding_backward_weight_lists_##DTYPE ARGUMENTS(     \
      DTYPE) {                                                                                                      \
    make_lists(Lists(scratch, p.V), p.T, p.V, [=](uint32_t t) { return ids[t] != p.paddingIndex ? ids[t] : p.V; }); \
  }                                                                                                                 \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) embedding_backward_weight_short_##DTYPE ARGUMENTS(  \
      DTYPE) {                                                                                                      \
    sum_short_lists(dy, p.accumulate != 0 ? dweight : nullptr, dweight, Lists(scratch, p.V), {1, p.V, p.T, p.C});   \
  }                                                                                                                 \
  extern "C" __global__ void __launch_bounds__(LONG_THREADS, 2) embedding_backward_weight_long_##DTYPE ARGUMENTS(   \
      DTYPE) {                                                                                                      \
    sum_long_lists(dy, p.accumulate != 0 ? dweight : nullptr, dweight, Lists(scratch, p.V), {1, p.V, p.T, p.C},     \
                   [=](uint32_t t) { return ids[t]; });                                                             \
  }
FOR_FLOATS(EMBEDDING_BACKWARD_WEIGHT)
