// Element functions by the codes of functions.ts. Special values follow IEEE and the JavaScript functions.
#pragma once
#include "../common/cuda/activation.cuh"
#include "../common/cuda/angle.cuh"

enum Binary : uint32_t { kAdd, kSub, kMul, kDiv, kMax, kMin, kFirst, kGreaterShare };
enum Compare : uint32_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
// clang-format off
enum Unary : uint32_t {
  kAffine, kExp, kLog, kSqrt, kRsqrt, kAbs, kSquare, kReciprocal, kSin, kCos, kTanh, kSigmoid, kRelu, kGelu,
  kGeluTanh, kQuickGelu, kSilu, kSign, kFloor, kClamp, kPow
};
// clang-format on

__device__ inline float binary(uint32_t f, float a, float b) {
  switch (f) {
    case kAdd: return a + b;
    case kSub: return a - b;
    case kMul: return a * b;
    case kDiv: return a / b;
    case kMax: return a > b || a != a ? a : b;  // NaN where either is
    case kMin: return a < b || a != a ? a : b;
    case kGreaterShare: return a > b ? 1.0f : a == b ? 0.5f : 0.0f;
    default: return a;
  }
}

// Of floats or of integers. False with NaN, but for notEqual.
template <class T>
__device__ inline bool compare(uint32_t f, T a, T b) {
  switch (f) {
    case kNotEqual: return a != b;
    case kLess: return a < b;
    case kLessEqual: return a <= b;
    case kGreater: return a > b;
    case kGreaterEqual: return a >= b;
    default: return a == b;
  }
}

// -1 or 1; zeros and NaN stay what they are.
__device__ inline float sign_of(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

// Calls g with the function of a code, so that the choice is made once for all elements of a thread.
template <class G>
__device__ inline void with_unary(uint32_t f, float alpha, float beta, G g) {
  switch (f) {
    case kAffine: return g([=](float x) { return alpha * x + beta; });
    case kExp: return g([](float x) { return expf(x); });
    case kLog: return g([](float x) { return logf(x); });
    case kSqrt: return g([](float x) { return sqrtf(x); });
    case kRsqrt: return g([](float x) { return 1.0f / sqrtf(x); });
    case kAbs: return g([](float x) { return fabsf(x); });
    case kSquare: return g([](float x) { return x * x; });
    case kReciprocal: return g([](float x) { return 1.0f / x; });
    case kSin: return g([](float x) { return sine(x); });
    case kCos: return g([](float x) { return cosine(x); });
    case kTanh: return g([](float x) { return tanhf(x); });
    case kSigmoid: return g([](float x) { return sigmoid(x); });
    case kRelu: return g([](float x) { return relu(x).value; });
    case kGelu: return g([](float x) { return gelu(x).value; });
    case kGeluTanh: return g([](float x) { return gelu_tanh(x).value; });
    case kQuickGelu: return g([](float x) { return swish(x, 1.702f).value; });
    case kSilu: return g([](float x) { return swish(x, 1.0f).value; });
    case kSign: return g([](float x) { return sign_of(x); });
    case kFloor: return g([](float x) { return floorf(x); });
    case kClamp: return g([=](float x) { return x < alpha ? alpha : x > beta ? beta : x; });
    case kPow: return g([=](float x) { return powf(x, alpha); });
  }
}

// f'(x) from s: x or y, as DERIVATIVE_OF in functions.ts says.
template <class G>
__device__ inline void with_derivative(uint32_t f, float alpha, float beta, G g) {
  switch (f) {
    case kAffine: return g([=](float) { return alpha; });
    case kExp: return g([](float y) { return y; });
    case kLog: return g([](float x) { return 1.0f / x; });
    case kSqrt: return g([](float y) { return 0.5f / y; });
    case kRsqrt: return g([](float y) { return -0.5f * y * (y * y); });
    case kAbs: return g([](float x) { return sign_of(x); });
    case kSquare: return g([](float x) { return x + x; });
    case kReciprocal: return g([](float y) { return -(y * y); });
    case kSin: return g([](float x) { return cosine(x); });
    case kCos: return g([](float x) { return -sine(x); });
    case kTanh: return g([](float y) { return 1.0f - y * y; });
    case kSigmoid: return g([](float y) { return y - y * y; });
    case kRelu: return g([](float y) { return y > 0.0f ? 1.0f : 0.0f; });
    case kGelu: return g([](float x) { return gelu(x).slope; });
    case kGeluTanh: return g([](float x) { return gelu_tanh(x).slope; });
    case kQuickGelu: return g([](float x) { return swish(x, 1.702f).slope; });
    case kSilu: return g([](float x) { return swish(x, 1.0f).slope; });
    case kSign:
    case kFloor: return g([](float) { return 0.0f; });
    case kClamp: return g([=](float x) { return x >= alpha && x <= beta ? 1.0f : 0.0f; });
    case kPow:
      // Of a constant: 0 also where 0 to the power -1 is infinite.
      if (alpha == 0.0f) return g([](float) { return 0.0f; });
      return g([=](float x) { return alpha * powf(x, alpha - 1.0f); });
  }
}
