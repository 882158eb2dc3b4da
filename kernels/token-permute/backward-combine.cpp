// token-permute/backward-combine (cpu)
// Math      dx[row of (t,k)] = weights[t,k] dy[t];  dweights[t,k] = <dy[t], x[row]>, zero where dropped
// Shapes    dy [T,C] · x, dx [R,C] · weights, dweights [T,K] · lists [L]
// Launch    one cell per choice, which has the row of dx that it was kept in; the i-th cell clears row i where nobody has it
// Numerics  f32, lanes apart, then joined; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/token-permute/backward-combine.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, E, K, R, C, L;
};

template <class T>
void token_permute_backward_combine(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *dy = static_cast<const T *>(buffers[0]);           // [T,C]
  const auto *x = static_cast<const T *>(buffers[1]);            // [R,C]
  const auto *weights = static_cast<const float *>(buffers[2]);  // [T,K]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[3]), p.E, p.R);
  auto *dx = static_cast<T *>(buffers[4]);            // [R,C]
  auto *dweights = static_cast<float *>(buffers[5]);  // [T,K]
  const size_t kept = ExpertRows(lists.offsets, p.E, p.R, p.E).begin;

  for (size_t choice = begin; choice < end; ++choice) {
    if (choice >= kept) std::fill_n(dx + choice * C, C, T{});
    const auto row = static_cast<uint32_t>(lists.position[choice]);  // -1, dropped: beyond every row
    auto sum = hn::Zero(d);
    if (row < kept) {
      const T *from = dy + choice / p.K * C, *result = x + row * C;
      T *to = dx + row * C;
      const auto w = hn::Set(d, weights[choice]);
      for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
        const auto g = part.load(from + c);
        part.store(hn::Mul(w, g), to + c);
        sum = hn::MulAdd(g, part.load(result + c), sum);
      });
    }
    dweights[choice] = sum_of(d, sum);
  }
}
KERNEL_TARGETS(token_permute_backward_combine)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(token_permute_backward_combine)
#endif
