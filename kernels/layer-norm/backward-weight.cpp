// layer-norm/backward-weight (cpu)
// Math      dweight[c] = Σ_t dy[t,c] * (x[t,c] - mean[t]) * rstd[t];  dbias[c] = Σ_t dy[t,c]
// Shapes    dy, x [T,C] · mean, rstd [T] f32 · dweight, dbias [C] · scratch [blocks,2,C] f32
// Method    partial: a block of 64 rows, in strips of 4 vectors whose sums stay in registers; join: blocks in order
// Launch    partial: one cell per block of 64 rows; join: one cell per 64 columns
// Numerics  f32; the order of the sums depends on T only
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer-norm/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

constexpr size_t kBlock = 64;  // BLOCK of kernels.ts

template <class T>
void layer_norm_backward_weight_partial(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), C = p.C;
  const auto *dy = static_cast<const T *>(buffers[0]);        // [T,C]
  const auto *x = static_cast<const T *>(buffers[1]);         // [T,C]
  const auto *mean = static_cast<const float *>(buffers[2]);  // [T]
  const auto *rstd = static_cast<const float *>(buffers[3]);  // [T]

  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlock, last = std::min<size_t>(first + kBlock, p.T);
    float *dweight = static_cast<float *>(scratch) + block * 2 * C;
    float *dbias = dweight + C;

    size_t c = 0;
    for (; c + 4 * lanes <= C; c += 4 * lanes) {
      auto w0 = hn::Zero(d), w1 = w0, w2 = w0, w3 = w0, b0 = w0, b1 = w0, b2 = w0, b3 = w0;
      for (size_t t = first; t < last; ++t) {
        const auto m = hn::Set(d, mean[t]), r = hn::Set(d, rstd[t]);
        const T *g = dy + t * C + c, *v = x + t * C + c;
        const auto g0 = load(d, g), g1 = load(d, g + lanes), g2 = load(d, g + 2 * lanes), g3 = load(d, g + 3 * lanes);
        w0 = hn::MulAdd(g0, hn::Mul(hn::Sub(load(d, v), m), r), w0);
        w1 = hn::MulAdd(g1, hn::Mul(hn::Sub(load(d, v + lanes), m), r), w1);
        w2 = hn::MulAdd(g2, hn::Mul(hn::Sub(load(d, v + 2 * lanes), m), r), w2);
        w3 = hn::MulAdd(g3, hn::Mul(hn::Sub(load(d, v + 3 * lanes), m), r), w3);
        b0 = hn::Add(b0, g0);
        b1 = hn::Add(b1, g1);
        b2 = hn::Add(b2, g2);
        b3 = hn::Add(b3, g3);
      }
      const auto put = [&](size_t at, auto w, auto b) HWY_ATTR {
        hn::StoreU(w, d, dweight + at);
        hn::StoreU(b, d, dbias + at);
      };
      put(c, w0, b0);
      put(c + lanes, w1, b1);
      put(c + 2 * lanes, w2, b2);
      put(c + 3 * lanes, w3, b3);
    }

    for_row(d, C - c, [&](size_t i, auto part) HWY_ATTR {
      auto w = hn::Zero(d), b = hn::Zero(d);
      for (size_t t = first; t < last; ++t) {
        const auto g = part.load(dy + t * C + c + i);
        const auto distance = hn::Sub(part.load(x + t * C + c + i), hn::Set(d, mean[t]));
        w = hn::MulAdd(g, hn::Mul(distance, hn::Set(d, rstd[t])), w);
        b = hn::Add(b, g);
      }
      part.store(w, dweight + c + i);
      part.store(b, dbias + c + i);
    });
  }
}
KERNEL_TARGETS(layer_norm_backward_weight_partial)

template <class T>
void layer_norm_backward_weight_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C, blocks = (p.T + kBlock - 1) / kBlock;
  const auto *partial = static_cast<const float *>(scratch);
  auto *dweight = static_cast<T *>(buffers[4]);  // [C]
  auto *dbias = static_cast<T *>(buffers[5]);    // [C]

  const size_t first = begin * kBlock, last = std::min<size_t>(end * kBlock, C);
  for_row(d, last - first, [&](size_t i, auto part) HWY_ATTR {
    auto w = hn::Zero(d), b = hn::Zero(d);
    for (size_t block = 0; block < blocks; ++block) {
      w = hn::Add(w, part.load(partial + block * 2 * C + first + i));
      b = hn::Add(b, part.load(partial + block * 2 * C + C + first + i));
    }
    part.store(w, dweight + first + i);
    part.store(b, dbias + first + i);
  });
}
KERNEL_TARGETS(layer_norm_backward_weight_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(layer_norm_backward_weight_partial)
KERNEL_REGISTER(layer_norm_backward_weight_join)
#endif
