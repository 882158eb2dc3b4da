// token-permute/dispatch (cpu)
// Math      y[r] = x[token of r], zero from the last row kept on
// Shapes    x [T,C] · lists [L] · y [R,C]
// Launch    one cell per row of y
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/token-permute/dispatch.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/common/cpu/simd.h"

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, E, K, R, C, L;
};

template <class T>
void token_permute_dispatch(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t bytes = p.C * sizeof(T);
  const auto *x = static_cast<const T *>(buffers[0]);  // [T,C]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[1]), p.E, p.R);
  auto *y = static_cast<T *>(buffers[2]);  // [R,C]
  for (size_t r = begin; r < end; ++r) {
    const auto token = static_cast<uint32_t>(lists.order[r]) / p.K;  // of -1: beyond every token
    if (token < p.T)
      std::memcpy(y + r * p.C, x + static_cast<size_t>(token) * p.C, bytes);
    else
      std::memset(y + r * p.C, 0, bytes);
  }
}
KERNEL_TARGETS(token_permute_dispatch)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(token_permute_dispatch)
#endif
