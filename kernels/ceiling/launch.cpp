// ceiling/launch (cpu)
// Math      y[0] = value
// Shapes    y [1] u32
// Method    as good as nothing: one word tells that it has run
// Launch    one cell
#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

struct Params {
  uint32_t value;
};

void ceiling_launch(KERNEL_ARGS) {
  (void)begin;
  (void)end;
  (void)scratch;
  *static_cast<uint32_t *>(buffers[0]) = static_cast<const Params *>(params)->value;
}

const Registration registered("ceiling_launch_f32", ceiling_launch);

}  // namespace
}  // namespace consilium
