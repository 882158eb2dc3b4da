// reduce/backward-extremum (cpu)
// Math      dx[o,l,i] = dy[o,i] where l is the first with x[o,l,i] = y[o,i], else 0
// Shapes    x, dx [O,L,I] · y, dy [O,I]
// Method    per block of columns: zero a row of dx, compare, put dy where a column finds its first
// Launch    one cell per row of y's blocks of 256 columns
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce/backward-extremum.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// As in kernels.ts.
constexpr size_t block_columns = 256;

struct Params {
  uint32_t O, L, I;
};

template <class T>
HWY_INLINE bool same(const T *x, float y) {
  const float v = load1(x);
  return v == y || (v != v && y != y);
}

template <class T>
void reduce_backward_extremum(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *dy = static_cast<const T *>(buffers[0]);  // [O,I]
  const auto *x = static_cast<const T *>(buffers[1]);   // [O,L,I]
  const auto *y = static_cast<const T *>(buffers[2]);   // [O,I]
  auto *dx = static_cast<T *>(buffers[3]);              // [O,L,I]
  const size_t L = p.L, I = p.I, blocks = (I + block_columns - 1) / block_columns;

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t o = cell / blocks, column = cell % blocks * block_columns, width = std::min(block_columns, I - column);
    const size_t out = o * I + column;
    bool found[block_columns] = {};
    size_t missing = width;
    for (size_t l = 0; l < L; ++l) {
      const size_t row = (o * L + l) * I + column;
      std::memset(dx + row, 0, width * sizeof(T));
      if (missing == 0) continue;
      for (size_t c = 0; c < width; ++c) {
        if (found[c] || !same(x + row + c, load1(y + out + c))) continue;
        dx[row + c] = dy[out + c];
        found[c] = true;
        --missing;
      }
    }
  }
}
KERNEL_TARGETS(reduce_backward_extremum)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(reduce_backward_extremum)
#endif
