// elementwise/where (cuda)
// Math      y[i] = condition[i] != 0 ? a[i] : b[i]
// Shapes    condition [n] i32 · a, b, y [n]
// Tiling    a thread owns 16 bytes of the condition
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  moves bits
#include "../common/cuda/elements.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t n;
};

template <class Word>
__device__ void where(const int32_t *condition, const Word *a, const Word *b, Word *y, const Params &p) {
  const Part<PER_THREAD<int32_t>> part(p.n);
  const auto choice = part.load(condition);
  const auto left = part.load(a), right = part.load(b);
  part.store(y, [&](unsigned int k) { return choice.values[k] != 0 ? left.values[k] : right.values[k]; });
}

#define ELEMENTWISE_WHERE(V)                                                 \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)              \
      elementwise_where_##V(const int32_t *__restrict__ condition, /* [n] */ \
                            const Word_##V *__restrict__ a,        /* [n] */ \
                            const Word_##V *__restrict__ b,        /* [n] */ \
                            Word_##V *__restrict__ y,              /* [n] */ \
                            const Params p) {                                \
    where(condition, a, b, y, p);                                            \
  }
FOR_FLOATS(ELEMENTWISE_WHERE)
