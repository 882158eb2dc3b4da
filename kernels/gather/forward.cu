// gather/forward (cuda)
// Math      y[o,k,i] = x[o, index[o,k,i], i]; 0 and a fault where the index is outside [0, V)
// Shapes    x [O,V,I] · index [O,K,I] i32 · y [O,K,I] · faults u32[4]
// Tiling    a thread owns four elements of y, a block apart: neighbours read neighbouring indices
// Launch    grid (ceil(elements / 1024)), 256 threads
// Numerics  moves bits
#include "../common/cuda/elements.cuh"
#include "../common/cuda/fault.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t O, V, K, I, faultLabel;
};

template <class Word>
__device__ void forward(const Word *x, const uint32_t *index, Word *y, uint32_t *faults, const Params &p) {
  for_scattered<PER_THREAD<uint32_t>>(size_t{p.O} * p.K * p.I, [&](uint32_t at) {
    const uint32_t row = at / p.I, i = at - row * p.I, o = row / p.K;
    const uint32_t v = index[at];  // a negative one is a large one
    y[at] = v < p.V ? x[(size_t{o} * p.V + v) * p.I + i] : Word{0};
    if (v >= p.V) report_bad_index(faults, p.faultLabel, at, v);
  });
}

#define GATHER_FORWARD(DTYPE)                                                  \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                \
      gather_forward_##DTYPE(const Word_##DTYPE *__restrict__ x, /* [O,V,I] */ \
                             const uint32_t *__restrict__ index, /* [O,K,I] */ \
                             Word_##DTYPE *__restrict__ y,       /* [O,K,I] */ \
                             uint32_t *__restrict__ faults,      /* [4] */     \
                             const Params p) {                                 \
    forward(x, index, y, faults, p);                                           \
  }
FOR_FLOATS(GATHER_FORWARD)
