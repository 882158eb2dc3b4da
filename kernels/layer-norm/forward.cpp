// layer-norm/forward (cpu)
// Math      y[t,c] = (x[t,c] - mean[t]) * rstd[t] * weight[c] + bias[c];  rstd = 1 / sqrt(var + eps), var over C, biased
// Shapes    x, y [T,C] · weight, bias [C] · mean, rstd [T] f32
// Method    per row: sum → mean; sum of squared distances → rstd; normalise. Three passes over a row that stays in L1.
// Launch    one cell per row
// Numerics  f32, two passes for the variance (no cancellation); stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer-norm/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
  float eps;
};

template <class T>
void layer_norm_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), C = p.C, whole = C - C % lanes;
  const auto *x = static_cast<const T *>(buffers[0]);       // [T,C]
  const auto *weight = static_cast<const T *>(buffers[1]);  // [C]
  const auto *bias = static_cast<const T *>(buffers[2]);    // [C]
  auto *y = static_cast<T *>(buffers[3]);                   // [T,C]
  auto *mean = static_cast<float *>(buffers[4]);            // [T]
  auto *rstd = static_cast<float *>(buffers[5]);            // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *row = x + t * C;
    auto sum = hn::Zero(d);
    for (size_t c = 0; c < whole; c += lanes) sum = hn::Add(sum, load(d, row + c));
    if (whole < C) sum = hn::Add(sum, load_n(d, row + whole, C - whole));
    const float m = hn::GetLane(hn::SumOfLanes(d, sum)) / static_cast<float>(C);

    const auto vm = hn::Set(d, m);
    auto squares = hn::Zero(d);
    for (size_t c = 0; c < whole; c += lanes) {
      const auto distance = hn::Sub(load(d, row + c), vm);
      squares = hn::MulAdd(distance, distance, squares);
    }
    if (whole < C) {
      const auto inside = hn::FirstN(d, C - whole);
      const auto distance = hn::IfThenElseZero(inside, hn::Sub(load_n(d, row + whole, C - whole), vm));
      squares = hn::MulAdd(distance, distance, squares);
    }
    const float r = 1.0f / std::sqrt(hn::GetLane(hn::SumOfLanes(d, squares)) / static_cast<float>(C) + p.eps);

    const auto vr = hn::Set(d, r);
    const auto normalise = [&](auto value, auto w, auto b)
                               HWY_ATTR { return hn::MulAdd(hn::Mul(hn::Sub(value, vm), vr), w, b); };
    for (size_t c = 0; c < whole; c += lanes)
      store(d, normalise(load(d, row + c), load(d, weight + c), load(d, bias + c)), y + t * C + c);
    if (const size_t n = C - whole)
      store_n(d, normalise(load_n(d, row + whole, n), load_n(d, weight + whole, n), load_n(d, bias + whole, n)),
              y + t * C + whole, n);
    mean[t] = m;
    rstd[t] = r;
  }
}
KERNEL_TARGETS(layer_norm_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(layer_norm_forward)
#endif
