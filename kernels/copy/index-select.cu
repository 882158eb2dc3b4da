// copy/index-select (cuda)
// Math      y[o,k,:] = x[o, index[k], :]; 0 and a fault where index[k] is outside [0, V)
// Shapes    x [O,V,I] · index [K] i32 · y [O,K,I] · faults u32[4]
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(elements / elements of a block)), 256 threads
// Numerics  moves bits
#include "../common/cuda/select-rows.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t O, V, K, I, faultLabel;
};

#define COPY_INDEX_SELECT(DTYPE)                                                  \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                   \
      copy_index_select_##DTYPE(const Word_##DTYPE *__restrict__ x, /* [O,V,I] */ \
                                const uint32_t *__restrict__ index, /* [K] */     \
                                Word_##DTYPE *__restrict__ y,       /* [O,K,I] */ \
                                uint32_t *__restrict__ faults,      /* [4] */     \
                                const Params p) {                                 \
    select_rows(x, index, y, faults, p.O, p.V, p.K, p.I, p.faultLabel);           \
  }
FOR_FLOATS(COPY_INDEX_SELECT)
