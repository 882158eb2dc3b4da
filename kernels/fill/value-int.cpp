// fill/value-int (cpu)
// Math      y[i] = value, 32 bits of an i32 or u32
// Shapes    y [n]
// Launch    one cell per element
#include <algorithm>

#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

struct Params {
  uint32_t n, value;
};

void fill_value_int(KERNEL_ARGS) {
  (void)scratch;
  auto *y = static_cast<uint32_t *>(buffers[0]);  // [n]
  std::fill(y + begin, y + end, static_cast<const Params *>(params)->value);
}

const Registration registered("fill_value_int_f32", fill_value_int);

}  // namespace
}  // namespace consilium
