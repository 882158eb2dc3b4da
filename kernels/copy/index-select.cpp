// copy/index-select (cpu)
// Math      y[o,k,:] = x[o, index[k], :]; 0 and a fault where index[k] is outside [0, V)
// Shapes    x [O,V,I] · index [K] i32 · y [O,K,I]
// Launch    one cell per row of y
#include <cstring>

#include "kernels/common/cpu/fault.h"
#include "kernels/copy/words.h"

namespace consilium {
namespace {

struct Params {
  uint32_t O, V, K, I, faultLabel;
};

template <class Word>
void copy_index_select(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t I = p.I;
  const auto *x = static_cast<const Word *>(buffers[0]);          // [O,V,I]
  const auto *index = static_cast<const uint32_t *>(buffers[1]);  // [K]
  auto *y = static_cast<Word *>(buffers[2]);                      // [O,K,I]
  for (size_t row = begin; row < end; ++row) {
    const size_t o = row / p.K, k = row % p.K;
    const uint32_t v = index[k];  // a negative one is a large one
    if (v < p.V) {
      std::memcpy(y + row * I, x + (o * p.V + v) * I, I * sizeof(Word));
    } else {
      std::memset(y + row * I, 0, I * sizeof(Word));
      report_bad_index(buffers[3], p.faultLabel, static_cast<uint32_t>(k), static_cast<int32_t>(v));
    }
  }
}

}  // namespace
COPY_REGISTER(copy_index_select)
}  // namespace consilium
