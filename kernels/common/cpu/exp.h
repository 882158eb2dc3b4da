// exp(x) for x <= 0, as softmax needs it: 0 below -80 (1.8e-35), NaN where x is. Subnormal results, and products with
// them, would each cost a microcode assist: the gradient of cross entropy with peaked logits took 288 ms instead of 9
// ms on a Cascade Lake core. Included once per target, as simd.h is.
#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_EXP_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_EXP_H
#undef CONSILIUM_EXP_H
#else
#define CONSILIUM_EXP_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

HWY_INLINE hn::Vec<F32> exp_or_zero(const F32 d, hn::Vec<F32> x) {
  const auto small = hn::Lt(x, hn::Set(d, -80.0f));
  const auto bounded = hn::IfThenZeroElse(small, x);
  // Highway's Exp makes 0 of NaN: 0 * x brings it back.
  const auto e = hn::MulAdd(bounded, hn::Zero(d), hn::Exp(d, bounded));
  return hn::IfThenZeroElse(small, e);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
