// Highway plus what every SIMD kernel file needs. Included once per target by foreach_target.h, so no #pragma once:
// a kernel file is
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/layer-norm/forward.cpp"
//   #include "hwy/foreach_target.h"
//   #include "kernels/common/cpu/simd.h"
//
//   HWY_BEFORE_NAMESPACE();
//   namespace consilium::HWY_NAMESPACE {
//   struct Params { uint32_t T, C; float eps; };
//   template <class T> void layer_norm_forward(KERNEL_ARGS) { ... }
//   KERNEL_TARGETS(layer_norm_forward)
//   }
//   HWY_AFTER_NAMESPACE();
//   #if HWY_ONCE
//   KERNEL_REGISTER(layer_norm_forward)
//   #endif
#include "hwy/highway.h"
#include "kernels/common/cpu/kernel.h"

#if defined(CONSILIUM_SIMD_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_SIMD_H
#undef CONSILIUM_SIMD_H
#else
#define CONSILIUM_SIMD_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;

// Storage types. bf16 and f16 are widened on load and rounded to nearest even on store; all arithmetic is f32.
struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

// Lanes of one f32 vector, from memory of any storage type.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float *p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const bf16 *p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t *>(p));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

#if HWY_ARCH_X86 && HWY_TARGET >= HWY_SSE4
// Before AVX2 x86 has no instruction for f16, and Highway's stand-in truncates and knows neither infinity nor NaN.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const f16 *p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t *>(p)));
  const auto size = hn::And(bits, hn::Set(d32, 0x7FFF)), sign = hn::ShiftLeft<16>(hn::Xor(bits, size));
  const auto rebias = hn::Set(d32, (127 - 15) << 23);
  const auto normal = hn::Add(hn::ShiftLeft<13>(size), rebias);
  const auto subnormal = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, size)), hn::Set(d, 0x1p-24f));
  const auto special = hn::Add(normal, rebias);  // infinity and NaN have the largest exponent
  const auto finite = hn::IfThenElse(hn::Gt(size, hn::Set(d32, 0x03FF)), normal, hn::BitCast(d32, subnormal));
  return hn::BitCast(d, hn::Or(sign, hn::IfThenElse(hn::Gt(size, hn::Set(d32, 0x7BFF)), special, finite)));
}
#else
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const f16 *p) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t *>(p)));
}
#endif

template <class D>
HWY_INLINE void store(D d, hn::Vec<D> v, float *p) {
  hn::StoreU(v, d, p);
}
template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> v, bf16 *p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::BitCast(d32, v);
  // Round to nearest even; NaN keeps its sign and becomes quiet instead of rounding up to infinity.
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7FFF))));
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(d32, 0x40));
  const auto nan = hn::RebindMask(d32, hn::IsNaN(v));
  hn::StoreU(hn::TruncateTo(d16, hn::IfThenElse(nan, quiet, rounded)), d16, reinterpret_cast<uint16_t *>(p));
}

#if HWY_ARCH_X86 && HWY_TARGET >= HWY_SSE4
template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> v, f16 *p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::BitCast(d32, v), size = hn::And(bits, hn::Set(d32, 0x7FFFFFFF));
  // To nearest even; a carry out of the largest mantissa gives infinity.
  const auto odd = hn::And(hn::ShiftRight<13>(size), hn::Set(d32, 1));
  const auto rounded = hn::Add(hn::Sub(size, hn::Set(d32, (127 - 15) << 23)), hn::Add(odd, hn::Set(d32, 0x0FFF)));
  const auto normal = hn::ShiftRight<13>(rounded);
  // Below 2^-14 the spacing is 2^-24, that of f32 from 1/2 on: adding 1/2 rounds there.
  const auto half = hn::Set(d, 0.5f);
  const auto subnormal = hn::Sub(hn::BitCast(d32, hn::Add(hn::BitCast(d, size), half)), hn::BitCast(d32, half));
  const auto finite = hn::IfThenElse(hn::Gt(size, hn::Set(d32, 0x387FFFFF)), normal, subnormal);
  const auto nan = hn::Or(hn::And(hn::ShiftRight<13>(size), hn::Set(d32, 0x03FF)), hn::Set(d32, 0x7E00));
  const auto special = hn::IfThenElse(hn::Gt(size, hn::Set(d32, 0x7F800000)), nan, hn::Set(d32, 0x7C00));
  const auto result = hn::IfThenElse(hn::Gt(size, hn::Set(d32, 0x477FFFFF)), special, finite);
  const auto sign = hn::ShiftRight<16>(hn::Xor(bits, size));
  hn::StoreU(hn::TruncateTo(d16, hn::Or(sign, result)), d16, reinterpret_cast<uint16_t *>(p));
}
#else
template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> v, f16 *p) {
  const hn::Rebind<hwy::float16_t, D> d16;
  hn::StoreU(hn::DemoteTo(d16, v), d16, reinterpret_cast<hwy::float16_t *>(p));
}
#endif

// The first n < Lanes(d) lanes; the others read as zero and are not written.
template <class D, class T>
HWY_INLINE hn::Vec<D> load_n(D d, const T *p, size_t n) {
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  for (size_t i = 0; i < n; ++i) buffer[i] = p[i];
  return load(d, buffer);
}
template <class D, class T>
HWY_INLINE void store_n(D d, hn::Vec<D> v, T *p, size_t n) {
  HWY_ALIGN T buffer[hn::MaxLanes(d)];
  store(d, v, buffer);
  for (size_t i = 0; i < n; ++i) p[i] = buffer[i];
}
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
// Instructions that leave the other lanes' memory alone. Elsewhere Highway reads whole vectors, on SSE4 aligned ones, and
// writes back what it read: past the end of a buffer, and over what another thread puts there.
template <class D>
HWY_INLINE hn::Vec<D> load_n(D d, const float *p, size_t n) {
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
}
template <class D>
HWY_INLINE void store_n(D d, hn::Vec<D> v, float *p, size_t n) {
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
}
#endif

// One value.
HWY_INLINE float load1(const float *p) { return *p; }
template <class T>
HWY_INLINE float load1(const T *p) {
  const hn::CappedTag<float, 1> d;
  return hn::GetLane(load(d, p));
}
HWY_INLINE void store1(float v, float *p) { *p = v; }
template <class T>
HWY_INLINE void store1(float v, T *p) {
  const hn::CappedTag<float, 1> d;
  store(d, hn::Set(d, v), p);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// Instantiates a kernel template for each storage type, for the target being compiled.
#undef KERNEL_TARGETS
#define KERNEL_TARGETS(name)                                                          \
  void name##_f32(KERNEL_ARGS) { name<float>(buffers, params, begin, end, scratch); } \
  void name##_bf16(KERNEL_ARGS) { name<bf16>(buffers, params, begin, end, scratch); } \
  void name##_f16(KERNEL_ARGS) { name<f16>(buffers, params, begin, end, scratch); }

// Registers one symbol; the best target of this machine is looked up at each call (one table load).
#undef KERNEL_REGISTER_ONE
#define KERNEL_REGISTER_ONE(symbol)                                     \
  namespace consilium {                                                 \
  namespace {                                                           \
  HWY_EXPORT(symbol);                                                   \
  const Registration registered_##symbol(#symbol, [](KERNEL_ARGS) {     \
    HWY_DYNAMIC_DISPATCH(symbol)(buffers, params, begin, end, scratch); \
  });                                                                   \
  }                                                                     \
  }
#undef KERNEL_REGISTER
#define KERNEL_REGISTER(name)      \
  KERNEL_REGISTER_ONE(name##_f32)  \
  KERNEL_REGISTER_ONE(name##_bf16) \
  KERNEL_REGISTER_ONE(name##_f16)

#endif  // per-target include guard
