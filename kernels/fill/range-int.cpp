// fill/range-int (cpu)
// Math      y[i] = start + i step, modulo 2^32
// Shapes    y [n] i32
// Launch    one cell per element
#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

struct Params {
  uint32_t n, start, step;
};

void fill_range_int(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *y = static_cast<uint32_t *>(buffers[0]);  // [n]
  for (uint32_t i = begin; i < end; ++i) y[i] = p.start + i * p.step;
}

const Registration registered("fill_range_int_f32", fill_range_int);

}  // namespace
}  // namespace consilium
