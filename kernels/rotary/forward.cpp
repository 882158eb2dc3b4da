// rotary/forward (cpu)
// Math      (y[a], y[b]) = (x[a] cos φ - x[b] sin φ, x[b] cos φ + x[a] sin φ);  φ = ± position theta^(-2i / rotaryDim),
//           (a, b) = (2i, 2i + 1) interleaved, (i, i + rotaryDim / 2) otherwise; elements from rotaryDim on are copied
// Shapes    x, y [B,L,H,D] · positions [B,L] i32 or absent: then start + l
// Method    per position: cos and sin of every pair once, then all heads of all batch rows that share it
// Launch    one cell per l, or per (b, l) with given positions
// Numerics  angles in f64, reduced to [-π, π] there (positions reach 1e5 and more), cos and sin rounded to f32 once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rotary/forward.cpp"
#include "hwy/foreach_target.h"
#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/cpu/rows.h"

#include <cmath>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t B, L, H, D, rotaryDim, interleaved, start, hasPositions, inverse;
  float theta;
};

// Workspace for up to `size` pairs; sizes are padded so that whole vectors fit.
struct Angles {
  double *frequency;       // [pairs]
  float *cosine, *sine;    // [pairs]
  float *cosines, *sines;  // [rotaryDim], each pair twice, the sine of its first element negated
};

inline Angles angles_of(const Params &p) {
  const size_t pairs = p.rotaryDim / 2, size = (pairs + 63) / 64 * 64;
  auto *memory = static_cast<float *>(thread_workspace(8 * size * sizeof(float)));
  const Angles a{reinterpret_cast<double *>(memory), memory + 2 * size, memory + 3 * size, memory + 4 * size,
                 memory + 6 * size};
  for (size_t i = 0; i < size; ++i)
    a.frequency[i] = i < pairs ? std::pow(double{p.theta}, -2.0 * static_cast<double>(i) / p.rotaryDim) : 0.0;
  return a;
}

HWY_INLINE void turn_to(const Params &p, double position, const Angles &a) {
  const hn::ScalableTag<double> d64;
  const hn::Rebind<float, decltype(d64)> d32;
  const size_t pairs = p.rotaryDim / 2;
  const auto where = hn::Set(d64, p.inverse ? -position : position);
  const auto turn = hn::Set(d64, 6.283185307179586476925), per_turn = hn::Set(d64, 0.159154943091895335769);

  for (size_t i = 0; i < pairs; i += hn::Lanes(d64)) {
    const auto angle = hn::Mul(where, hn::Load(d64, a.frequency + i));
    const auto reduced = hn::NegMulAdd(hn::Round(hn::Mul(angle, per_turn)), turn, angle);
    hn::Store(hn::DemoteTo(d32, hn::Cos(d64, reduced)), d32, a.cosine + i);
    hn::Store(hn::DemoteTo(d32, hn::Sin(d64, reduced)), d32, a.sine + i);
  }
  if (!p.interleaved) return;
  for (size_t i = 0; i < pairs; ++i) {
    a.cosines[2 * i] = a.cosines[2 * i + 1] = a.cosine[i];
    a.sines[2 * i] = -a.sine[i];
    a.sines[2 * i + 1] = a.sine[i];
  }
}

template <class T>
HWY_INLINE void rotate_halves(const F32 d, size_t half, const Angles &a, const T *x, T *y) {
  for_row(d, half, [&](size_t i, auto part) HWY_ATTR {
    const auto u = part.load(x + i), v = part.load(x + half + i);
    const auto c = part.load(a.cosine + i), s = part.load(a.sine + i);
    part.store(hn::NegMulAdd(v, s, hn::Mul(u, c)), y + i);
    part.store(hn::MulAdd(u, s, hn::Mul(v, c)), y + half + i);
  });
}

template <class T>
HWY_INLINE void rotate_neighbours(const F32 d, size_t width, const Angles &a, const T *x, T *y) {
#if HWY_TARGET == HWY_SCALAR  // one lane: nothing to swap within a vector
  (void)d;
  for (size_t i = 0; i < width; ++i) store1(load1(x + i) * a.cosines[i] + load1(x + (i ^ 1)) * a.sines[i], y + i);
#else
  for_row(d, width, [&](size_t i, auto part) HWY_ATTR {
    const auto v = part.load(x + i);
    const auto crossed = hn::Mul(hn::Reverse2(d, v), part.load(a.sines + i));
    part.store(hn::MulAdd(v, part.load(a.cosines + i), crossed), y + i);
  });
#endif
}

template <class T>
void rotary_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t D = p.D, width = p.rotaryDim;
  const auto *x = static_cast<const T *>(buffers[0]);                // [B,L,H,D]
  const auto *positions = static_cast<const int32_t *>(buffers[1]);  // [B,L] or nullptr
  auto *y = static_cast<T *>(buffers[2]);                            // [B,L,H,D]
  const Angles angles = angles_of(p);

  for (size_t cell = begin; cell < end; ++cell) {
    turn_to(p, p.hasPositions ? positions[cell] : static_cast<double>(p.start) + static_cast<double>(cell), angles);

    const size_t batches = p.hasPositions ? 1 : p.B;
    for (size_t b = 0; b < batches; ++b) {
      const size_t token = (b * p.L + cell) * p.H * D;
      for (size_t row = token; row < token + p.H * D; row += D) {
        if (p.interleaved)
          rotate_neighbours(d, width, angles, x + row, y + row);
        else
          rotate_halves(d, width / 2, angles, x + row, y + row);
        if (width < D) std::memcpy(y + row + width, x + row + width, (D - width) * sizeof(T));
      }
    }
  }
}
KERNEL_TARGETS(rotary_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(rotary_forward)
#endif
