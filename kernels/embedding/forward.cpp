// embedding/forward (cpu)
// Math      y[t,c] = weight[ids[t],c]
// Shapes    weight [V,C] · ids [T] i32 · y [T,C]
// Launch    one cell per token
// Limits    an id outside [0, V) is a fault and gives zeros
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedding/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/fault.h"
#include "kernels/common/cpu/simd.h"

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, C, faultLabel;
};

template <class T>
void embedding_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t C = p.C;
  const auto *weight = static_cast<const T *>(buffers[0]);     // [V,C]
  const auto *ids = static_cast<const int32_t *>(buffers[1]);  // [T]
  auto *y = static_cast<T *>(buffers[2]);                      // [T,C]

  for (size_t t = begin; t < end; ++t) {
    if (static_cast<uint32_t>(ids[t]) < p.V) {
      std::memcpy(y + t * C, weight + ids[t] * C, C * sizeof(T));
    } else {
      std::memset(y + t * C, 0, C * sizeof(T));
      report_bad_index(buffers[3], p.faultLabel, static_cast<uint32_t>(t), ids[t]);
    }
  }
}
KERNEL_TARGETS(embedding_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(embedding_forward)
#endif
