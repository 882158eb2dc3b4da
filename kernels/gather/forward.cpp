// gather/forward (cpu)
// Math      y[o,k,i] = x[o, index[o,k,i], i]; 0 and a fault where the index is outside [0, V)
// Shapes    x [O,V,I] · index [O,K,I] i32 · y [O,K,I]
// Launch    one cell per row of y
// Numerics  moves bits
#include "kernels/common/cpu/fault.h"
#include "kernels/copy/words.h"

namespace consilium {
namespace {

struct Params {
  uint32_t O, V, K, I, faultLabel;
};

template <class Word>
void gather_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t I = p.I;
  const auto *x = static_cast<const Word *>(buffers[0]);          // [O,V,I]
  const auto *index = static_cast<const uint32_t *>(buffers[1]);  // [O,K,I], a negative one is a large one
  auto *y = static_cast<Word *>(buffers[2]);                      // [O,K,I]
  for (size_t row = begin; row < end; ++row) {
    const Word *from = x + row / p.K * p.V * I;
    for (size_t i = 0; i < I; ++i) {
      const size_t at = row * I + i;
      const uint32_t v = index[at];
      y[at] = v < p.V ? from[v * I + i] : Word{0};
      if (v >= p.V) report_bad_index(buffers[3], p.faultLabel, static_cast<uint32_t>(at), static_cast<int32_t>(v));
    }
  }
}

}  // namespace
COPY_REGISTER(gather_forward)
}  // namespace consilium
