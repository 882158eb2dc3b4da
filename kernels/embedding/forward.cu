// embedding/forward (cuda)
// Math      y[t,c] = weight[ids[t],c]
// Shapes    weight [V,C] · ids [T] i32 · y [T,C] · faults u32[4]
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(T C / elements of a block)), 256 threads
// Numerics  moves bits
// Limits    an id outside [0, V) is a fault and gives zeros
#include "../common/cuda/select-rows.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t T, V, C, faultLabel;
};

#define EMBEDDING_FORWARD(DTYPE)                                                     \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                      \
      embedding_forward_##DTYPE(const Word_##DTYPE *__restrict__ weight, /* [V,C] */ \
                                const uint32_t *__restrict__ ids,        /* [T] */   \
                                Word_##DTYPE *__restrict__ y,            /* [T,C] */ \
                                uint32_t *__restrict__ faults,           /* [4] */   \
                                const Params p) {                                    \
    select_rows(weight, ids, y, faults, 1, p.V, p.T, p.C, p.faultLabel);             \
  }
FOR_FLOATS(EMBEDDING_FORWARD)
