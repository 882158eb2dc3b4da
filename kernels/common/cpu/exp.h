// exp(x) for x <= 0, as softmax and the normal density in GELU need it: 0 below -80 (1.8e-35), NaN where x is, else within
// 1.2e-7 relative. Subnormal results, and products with them, would each cost a microcode assist: the gradient of cross
// entropy with peaked logits took 288 ms instead of 9 ms on a Cascade Lake core. Half the instructions of Highway's, which
// is made for any x. Included once per target, as simd.h is.
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_EXP_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_EXP_H
#undef CONSILIUM_EXP_H
#else
#define CONSILIUM_EXP_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// 2^n e^r, n an integer and |r| <= ln(2)/2: a polynomial of degree 6 times a power of two.
template <class D, class V>
HWY_INLINE V exp_or_zero(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto small = hn::Lt(x, hn::Set(d, -80.0f));
  const auto bounded = hn::IfThenZeroElse(small, x);
  // Adding 1.5 * 2^23 rounds to an integer, held in the low bits; 127 more make it the exponent of a power of two.
  const auto magic = hn::Set(d, 12583039.0f);
  const auto shifted = hn::MulAdd(bounded, hn::Set(d, 1.44269504f), magic);
  const auto n = hn::Sub(shifted, magic);
  // ln 2 in two parts: n times the first is exact, so that targets without fused multiply-adds lose nothing.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), bounded);
  r = hn::NegMulAdd(n, hn::Set(d, 1.428606765330187e-6f), r);
  auto y = hn::MulAdd(hn::Set(d, 1.381443348e-03f), r, hn::Set(d, 8.368796669e-03f));
  y = hn::MulAdd(y, r, hn::Set(d, 4.166839644e-02f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.666651964e-01f));
  y = hn::MulAdd(y, r, hn::Set(d, 4.999999404e-01f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f));
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  return hn::IfThenZeroElse(small, hn::Mul(y, power));
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
