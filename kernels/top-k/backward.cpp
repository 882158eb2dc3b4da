// top-k/backward (cpu)
// Math      dx[t, indices[t,k]] = dy[t,k], 0 elsewhere
// Shapes    dy [T,K] · indices [T,K] i32 · dx [T,V]
// Launch    one cell per row
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/top-k/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, K;
};

template <class T>
void top_k_backward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t V = p.V, K = p.K;
  const auto *dy = static_cast<const T *>(buffers[0]);             // [T,K]
  const auto *indices = static_cast<const int32_t *>(buffers[1]);  // [T,K]
  auto *dx = static_cast<T *>(buffers[2]);                         // [T,V]

  std::memset(dx + begin * V, 0, (end - begin) * V * sizeof(T));
  for (size_t t = begin; t < end; ++t)
    for (size_t k = 0; k < K; ++k) dx[t * V + indices[t * K + k]] = dy[t * K + k];
}
KERNEL_TARGETS(top_k_backward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(top_k_backward)
#endif
