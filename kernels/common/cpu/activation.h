// Activations and their derivatives on f32 vectors, and the u32 codes by which kernels take one
// (kernels/matmul/activation.ts). Included once per target, after simd.h, so no #pragma once.
//
// Φ(-t) for t >= 0 is exp(-t²/2) q(t); q(t) = erfcx(t/√2)/2 is smooth, and a quotient of polynomials of degrees 4 and 5,
// fitted for the least largest relative error on [0, 13.27], meets it within 5e-9. Its denominator and the polynomial of
// the exponential have 1 as their highest coefficient, so that each begins with an addition: GELU waits for the ports of
// products, and on some cores additions have their own.
// Evaluated in f32, for which the coefficients were rounded together: GELU within 6.5e-8 absolute for x <= 0 (1e-6 relative to
// x = -5, 5e-6 to -12.6, half as much again where multiply-adds round twice; 0 below -13.25) and within 3e-7 relative for x > 0.
#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/cpu/exp.h"

#if defined(CONSILIUM_ACTIVATION_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ACTIVATION_H
#undef CONSILIUM_ACTIVATION_H
#else
#define CONSILIUM_ACTIVATION_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

enum Activation : uint32_t { kNone, kGelu, kGeluTanh, kQuickGelu, kSilu, kTanh, kRelu };

// Where x is further out, Φ is 0 or 1: 2^-127 is then the power of two in `gauss`, whose bits are those of 0.
constexpr float kFar = 13.27f;
// What `gauss` counts in: the highest coefficient of its polynomial.
constexpr float kGaussUnit = 1.327647207e-3f;

// exp(-x²/2) in kGaussUnit, within 1.6e-7 and the rounding of x²: 2^(n + r), n an integer and |r| <= 1/2.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gauss(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto t = hn::Min(hn::Set(d, kFar), hn::Abs(x)), square = hn::Mul(t, t);
  const auto rate = hn::Set(d, -0.72134752f);  // -log2(e)/2
  // As in exp_or_zero.
  const auto magic = hn::Set(d, 12583039.0f);
  const auto shifted = hn::MulAdd(square, rate, magic);
  const auto r = hn::MulSub(square, rate, hn::Sub(shifted, magic));
  auto y = hn::Add(r, hn::Set(d, 7.287655354f));
  y = hn::MulAdd(y, r, hn::Set(d, 41.8086319f));
  y = hn::MulAdd(y, r, hn::Set(d, 180.9375458f));
  y = hn::MulAdd(y, r, hn::Set(d, 522.086731f));
  y = hn::MulAdd(y, r, hn::Set(d, 753.2122192f));
  return hn::Mul(y, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}
// Φ(-|x|), the normal distribution's tail, given gauss(x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V normal_tail(D d, V x, V e) {
  // Further out e is 0, and the polynomials of infinity would not be numbers.
  const auto t = hn::Min(hn::Set(d, kFar), hn::Abs(x));
  auto n = hn::MulAdd(hn::Set(d, 5.296609597e-04f), t, hn::Set(d, 5.268994719e-03f));
  auto q = hn::Add(t, hn::Set(d, 9.948712349f));
  n = hn::MulAdd(n, t, hn::Set(d, 2.389561199e-02f));
  q = hn::MulAdd(q, t, hn::Set(d, 46.09901428f));
  n = hn::MulAdd(n, t, hn::Set(d, 5.742906407e-02f));
  q = hn::MulAdd(q, t, hn::Set(d, 118.5897827f));
  n = hn::MulAdd(n, t, hn::Set(d, 6.591698527e-02f));
  q = hn::MulAdd(q, t, hn::Set(d, 165.7416534f));
  q = hn::MulAdd(q, t, hn::Set(d, 99.29895782f));
  return hn::Div(hn::Mul(n, e), q);
}
// Φ(x), given gauss(x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V normal_cdf(D d, V x, V e) {
  const auto tail = normal_tail(d, x, e);
  return hn::IfNegativeThenElse(x, tail, hn::Sub(hn::Set(d, 1.0f), tail));
}
// 1 / (1 + exp(-x)), 0 where that exp is infinite. Highway's is made for up to 104. NaN gives 0: times x it is NaN again.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid(D d, V x) {
  const auto one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 104.0f)))));
}

// x Φ(x)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu(D d, V x) {
  return hn::Mul(x, normal_cdf(d, x, gauss(d, x)));
}
// Φ(x) + x φ(x)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_derivative(D d, V x) {
  const auto e = gauss(d, x);
  return hn::MulAdd(hn::Mul(x, hn::Set(d, 0.39894228f * kGaussUnit)), e, normal_cdf(d, x, e));
}

// The argument of GELU's tanh form: (1 + tanh z)/2 = σ(2z), so this returns 2z = 2√(2/π) (x + 0.044715 x³).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_tanh_argument(D d, V x) {
  const auto cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 2 * 0.79788456f * 0.044715f), hn::Set(d, 2 * 0.79788456f));
  return hn::Mul(x, cubic);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_tanh(D d, V x) {
  return hn::Mul(x, sigmoid(d, gelu_tanh_argument(d, x)));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_tanh_derivative(D d, V x) {
  const auto s = sigmoid(d, gelu_tanh_argument(d, x));
  const auto slope = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 6 * 0.79788456f * 0.044715f), hn::Set(d, 2 * 0.79788456f));
  // x σ (1 - σ) first, which is 0 far out: x slope would overflow there, and slope itself.
  const auto bell = hn::Mul(hn::Mul(x, s), hn::Sub(hn::Set(d, 1.0f), s));
  return hn::MulAdd(bell, hn::Min(slope, hn::Set(d, 3e38f)), s);
}

// x σ(c x): SiLU for c = 1, quick GELU for c = 1.702
template <class D, class V = hn::Vec<D>>
HWY_INLINE V swish(D d, V x, float c) {
  return hn::Mul(x, sigmoid(d, hn::Mul(x, hn::Set(d, c))));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V swish_derivative(D d, V x, float c) {
  const auto s = sigmoid(d, hn::Mul(x, hn::Set(d, c)));
  return hn::MulAdd(hn::Mul(hn::Mul(x, s), hn::Sub(hn::Set(d, 1.0f), s)), hn::Set(d, c), s);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V quick_gelu(D d, V x) {
  return swish(d, x, 1.702f);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V quick_gelu_derivative(D d, V x) {
  return swish_derivative(d, x, 1.702f);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V silu(D d, V x) {
  return swish(d, x, 1.0f);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V silu_derivative(D d, V x) {
  return swish_derivative(d, x, 1.0f);
}

// Highway's gives 1 for NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh_derivative(D d, V x) {
  const auto t = tanh(d, x);
  return hn::NegMulAdd(t, t, hn::Set(d, 1.0f));
}

// A select and not Max, so that NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V relu(D d, V x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V relu_derivative(D d, V x) {
  return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f));
}

// By code. The branch goes the same way for all vectors of a call, so it is predicted and free beside the exponential.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V activate(D d, uint32_t code, V x) {
  switch (code) {
    case kGelu: return gelu(d, x);
    case kGeluTanh: return gelu_tanh(d, x);
    case kQuickGelu: return quick_gelu(d, x);
    case kSilu: return silu(d, x);
    case kTanh: return tanh(d, x);
    case kRelu: return relu(d, x);
    default: return x;
  }
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V activation_derivative(D d, uint32_t code, V x) {
  switch (code) {
    case kGelu: return gelu_derivative(d, x);
    case kGeluTanh: return gelu_tanh_derivative(d, x);
    case kQuickGelu: return quick_gelu_derivative(d, x);
    case kSilu: return silu_derivative(d, x);
    case kTanh: return tanh_derivative(d, x);
    case kRelu: return relu_derivative(d, x);
    default: return hn::Set(d, 1.0f);
  }
}

// Both, which share the exponential: y = act(x), slope = act'(x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE void activate_with_slope(D d, uint32_t code, V x, V &y, V &slope) {
  const auto one = hn::Set(d, 1.0f);
  if (code == kSilu || code == kQuickGelu) {
    const auto c = hn::Set(d, code == kSilu ? 1.0f : 1.702f), s = sigmoid(d, hn::Mul(x, c));
    y = hn::Mul(x, s);
    slope = hn::MulAdd(hn::Mul(y, hn::Sub(one, s)), c, s);
  } else if (code == kGelu) {
    const auto e = gauss(d, x), cdf = normal_cdf(d, x, e);
    y = hn::Mul(x, cdf);
    slope = hn::MulAdd(hn::Mul(x, hn::Set(d, 0.39894228f * kGaussUnit)), e, cdf);
  } else {
    y = activate(d, code, x);
    slope = activation_derivative(d, code, x);
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
