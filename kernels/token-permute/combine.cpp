// token-permute/combine (cpu)
// Math      y[t] (+)= sum over k, in order, of weights[t,k] x[row of (t,k)]; a dropped choice adds nothing
// Shapes    x [R,C] · weights [T,K], optional: 1 · lists [L] · y [T,C]
// Method    the rows of a token's choices once, then a vector of columns at a time over them
// Launch    one cell per token
// Numerics  f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/token-permute/combine.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, E, K, R, C, L, accumulate, hasWeights;
};

template <class T>
struct Term {
  const T *row;
  float weight;
};

template <class T>
void token_permute_combine(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t K = p.K, C = p.C;
  const auto *x = static_cast<const T *>(buffers[0]);                                     // [R,C]
  const auto *weights = p.hasWeights ? static_cast<const float *>(buffers[1]) : nullptr;  // [T,K]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[2]), p.E, p.R);
  auto *y = static_cast<T *>(buffers[3]);  // [T,C]
  auto *terms = static_cast<Term<T> *>(thread_workspace(K * sizeof(Term<T>)));

  for (size_t t = begin; t < end; ++t) {
    size_t count = 0;
    for (size_t choice = t * K; choice < (t + 1) * K; ++choice) {
      const auto row = static_cast<uint32_t>(lists.position[choice]);  // -1, dropped: beyond every row
      if (row < p.R) terms[count++] = {x + row * C, weights ? weights[choice] : 1.0f};
    }
    T *out = y + t * C;
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      auto sum = p.accumulate ? part.load(out + c) : hn::Zero(d);
      for (size_t i = 0; i < count; ++i)
        sum = hn::MulAdd(hn::Set(d, terms[i].weight), part.load(terms[i].row + c), sum);
      part.store(sum, out + c);
    });
  }
}
KERNEL_TARGETS(token_permute_combine)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(token_permute_combine)
#endif
