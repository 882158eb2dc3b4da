// Element functions on f32 vectors by the codes of functions.ts. Included once per target, so no #pragma once. Special
// values follow IEEE and the JavaScript functions: NaN stays NaN, exp overflows to infinity, log(0) is -infinity.
#include "kernels/common/cpu/activation.h"

#include <cmath>

#if defined(CONSILIUM_ELEMENTWISE_FUNCTIONS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ELEMENTWISE_FUNCTIONS_H
#undef CONSILIUM_ELEMENTWISE_FUNCTIONS_H
#else
#define CONSILIUM_ELEMENTWISE_FUNCTIONS_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

enum Binary : uint32_t { kAdd, kSub, kMul, kDiv, kMax, kMin, kFirst, kGreaterShare };
enum Compare : uint32_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
// clang-format off
enum Unary : uint32_t {
  kAffine, kExp, kLog, kSqrt, kRsqrt, kAbs, kSquare, kReciprocal, kSin, kCos, kTanhOf, kSigmoid, kReluOf, kGeluOf,
  kGeluTanhOf, kQuickGeluOf, kSiluOf, kSign, kFloor, kClamp, kPow
};
// clang-format on

// Calls g with the element function of a code, so that the choice is made once per chunk and each loop is its own code.
template <class G>
HWY_INLINE void with_binary(uint32_t f, G g) {
  switch (f) {
    case kAdd: return g([](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
    case kSub: return g([](auto, auto a, auto b) HWY_ATTR { return hn::Sub(a, b); });
    case kMul: return g([](auto, auto a, auto b) HWY_ATTR { return hn::Mul(a, b); });
    case kDiv: return g([](auto, auto a, auto b) HWY_ATTR { return hn::Div(a, b); });
    // Selects, since Max and Min leave the result for NaN to the target.
    case kMax:
      return g([](auto, auto a, auto b) HWY_ATTR { return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b); });
    case kMin:
      return g([](auto, auto a, auto b) HWY_ATTR { return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b); });
    case kFirst: return g([](auto, auto a, auto) HWY_ATTR { return a; });
    case kGreaterShare:
      return g([](auto d, auto a, auto b) HWY_ATTR {
        const auto equal = hn::IfThenElseZero(hn::Eq(a, b), hn::Set(d, 0.5f));
        return hn::IfThenElse(hn::Gt(a, b), hn::Set(d, 1.0f), equal);
      });
  }
}

template <class V>
HWY_INLINE V keep_nan(V x, V y) {
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

// A function of one float, lane by lane: for what has no vector form, or where that form's range ends.
template <class D, class V = hn::Vec<D>, class F>
HWY_NOINLINE V by_lanes(D d, V x, F f) {
  HWY_ALIGN float lanes[hn::MaxLanes(d)];
  hn::Store(x, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return hn::Load(d, lanes);
}

// Highway's exp gives 0 for NaN and is made for x <= 104, where the result has long been infinite.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of(D d, V x) {
  return keep_nan(x, hn::Exp(d, hn::Min(x, hn::Set(d, 104.0f))));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log_of(D d, V x) {
  const auto infinity = hn::Inf(d);
  const auto regular = hn::And(hn::Gt(x, hn::Zero(d)), hn::Lt(x, infinity));
  const auto special =
      hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), hn::IfThenElse(hn::Eq(x, infinity), x, hn::NaN(d)));
  return hn::IfThenElse(regular, hn::Log(d, hn::IfThenElse(regular, x, hn::Set(d, 1.0f))), special);
}
// Highway reduces the argument exactly enough up to 39,000.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sin_of(D d, V x) {
  if (HWY_LIKELY(hn::AllTrue(d, hn::Lt(hn::Abs(x), hn::Set(d, 39000.0f))))) return hn::Sin(d, x);
  return by_lanes(d, x, [](float v) { return std::sin(v); });
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V cos_of(D d, V x) {
  if (HWY_LIKELY(hn::AllTrue(d, hn::Lt(hn::Abs(x), hn::Set(d, 39000.0f))))) return hn::Cos(d, x);
  return by_lanes(d, x, [](float v) { return std::cos(v); });
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sign_of(D d, V x) {
  const auto itself = hn::Or(hn::Eq(x, hn::Zero(d)), hn::IsNaN(x));
  return hn::IfThenElse(itself, x, hn::CopySign(hn::Set(d, 1.0f), x));
}

template <class G>
HWY_INLINE void with_unary(uint32_t f, float alpha, float beta, G g) {
  switch (f) {
    case kAffine: return g([=](auto d, auto x) HWY_ATTR { return hn::MulAdd(x, hn::Set(d, alpha), hn::Set(d, beta)); });
    case kExp: return g([](auto d, auto x) HWY_ATTR { return exp_of(d, x); });
    case kLog: return g([](auto d, auto x) HWY_ATTR { return log_of(d, x); });
    case kSqrt: return g([](auto, auto x) HWY_ATTR { return hn::Sqrt(x); });
    case kRsqrt: return g([](auto d, auto x) HWY_ATTR { return hn::Div(hn::Set(d, 1.0f), hn::Sqrt(x)); });
    case kAbs: return g([](auto, auto x) HWY_ATTR { return hn::Abs(x); });
    case kSquare: return g([](auto, auto x) HWY_ATTR { return hn::Mul(x, x); });
    case kReciprocal: return g([](auto d, auto x) HWY_ATTR { return hn::Div(hn::Set(d, 1.0f), x); });
    case kSin: return g([](auto d, auto x) HWY_ATTR { return sin_of(d, x); });
    case kCos: return g([](auto d, auto x) HWY_ATTR { return cos_of(d, x); });
    case kTanhOf: return g([](auto d, auto x) HWY_ATTR { return tanh(d, x); });
    case kSigmoid: return g([](auto d, auto x) HWY_ATTR { return keep_nan(x, sigmoid(d, x)); });
    case kReluOf: return g([](auto d, auto x) HWY_ATTR { return relu(d, x); });
    case kGeluOf: return g([](auto d, auto x) HWY_ATTR { return gelu(d, x); });
    case kGeluTanhOf: return g([](auto d, auto x) HWY_ATTR { return gelu_tanh(d, x); });
    case kQuickGeluOf: return g([](auto d, auto x) HWY_ATTR { return quick_gelu(d, x); });
    case kSiluOf: return g([](auto d, auto x) HWY_ATTR { return silu(d, x); });
    case kSign: return g([](auto d, auto x) HWY_ATTR { return sign_of(d, x); });
    case kFloor: return g([](auto, auto x) HWY_ATTR { return hn::Floor(x); });
    case kClamp:
      return g([=](auto d, auto x) HWY_ATTR {
        const auto low = hn::Set(d, alpha), high = hn::Set(d, beta);
        return hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, high), high, x));
      });
    case kPow:
      return g([=](auto d, auto x) HWY_ATTR { return by_lanes(d, x, [=](float v) { return std::pow(v, alpha); }); });
  }
}

// f'(x) from s: x or y, as DERIVATIVE_OF in functions.ts says.
template <class G>
HWY_INLINE void with_derivative(uint32_t f, float alpha, float beta, G g) {
  switch (f) {
    case kAffine: return g([=](auto d, auto) HWY_ATTR { return hn::Set(d, alpha); });
    case kExp: return g([](auto, auto y) HWY_ATTR { return y; });
    case kLog: return g([](auto d, auto x) HWY_ATTR { return hn::Div(hn::Set(d, 1.0f), x); });
    case kSqrt: return g([](auto d, auto y) HWY_ATTR { return hn::Div(hn::Set(d, 0.5f), y); });
    case kRsqrt:
      return g([](auto d, auto y) HWY_ATTR { return hn::Mul(hn::Mul(y, hn::Set(d, -0.5f)), hn::Mul(y, y)); });
    case kAbs: return g([](auto d, auto x) HWY_ATTR { return sign_of(d, x); });
    case kSquare: return g([](auto, auto x) HWY_ATTR { return hn::Add(x, x); });
    case kReciprocal: return g([](auto, auto y) HWY_ATTR { return hn::Neg(hn::Mul(y, y)); });
    case kSin: return g([](auto d, auto x) HWY_ATTR { return cos_of(d, x); });
    case kCos: return g([](auto d, auto x) HWY_ATTR { return hn::Neg(sin_of(d, x)); });
    case kTanhOf: return g([](auto d, auto y) HWY_ATTR { return hn::NegMulAdd(y, y, hn::Set(d, 1.0f)); });
    case kSigmoid: return g([](auto, auto y) HWY_ATTR { return hn::NegMulAdd(y, y, y); });
    case kReluOf: return g([](auto d, auto y) HWY_ATTR { return relu_derivative(d, y); });
    case kGeluOf: return g([](auto d, auto x) HWY_ATTR { return gelu_derivative(d, x); });
    case kGeluTanhOf: return g([](auto d, auto x) HWY_ATTR { return gelu_tanh_derivative(d, x); });
    case kQuickGeluOf: return g([](auto d, auto x) HWY_ATTR { return quick_gelu_derivative(d, x); });
    case kSiluOf: return g([](auto d, auto x) HWY_ATTR { return silu_derivative(d, x); });
    case kSign:
    case kFloor: return g([](auto d, auto) HWY_ATTR { return hn::Zero(d); });
    case kClamp:
      return g([=](auto d, auto x) HWY_ATTR {
        const auto inside = hn::And(hn::Ge(x, hn::Set(d, alpha)), hn::Le(x, hn::Set(d, beta)));
        return hn::IfThenElseZero(inside, hn::Set(d, 1.0f));
      });
    case kPow:
      // Of a constant: 0 also where 0 to the power -1 is infinite.
      if (alpha == 0) return g([](auto d, auto) HWY_ATTR { return hn::Zero(d); });
      return g([=](auto d, auto x)
                   HWY_ATTR { return by_lanes(d, x, [=](float v) { return alpha * std::pow(v, alpha - 1); }); });
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
