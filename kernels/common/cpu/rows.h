// Walking a row of any length by vectors, with one body for whole vectors and for the tail:
//
//   for_row(d, C, [&](size_t c, auto part) HWY_ATTR { part.store(hn::Mul(part.load(x + c), scale), y + c); });
//
// In the tail the lanes past the end load as zero and are not stored; `keep` replaces what a body made of them, where
// that would disturb a sum or a maximum. Included once per target, as simd.h is.
//
// A large body is ROW_BODY instead of HWY_ATTR: GCC would call it for each vector, with its sums in memory.
#include "kernels/common/cpu/simd.h"

#ifndef ROW_BODY
#define ROW_BODY HWY_ATTR __attribute__((always_inline))
#endif

#if defined(CONSILIUM_ROWS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ROWS_H
#undef CONSILIUM_ROWS_H
#else
#define CONSILIUM_ROWS_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct WholeVector {
  const F32 d;
  template <class T>
  HWY_INLINE hn::Vec<F32> load(const T *p) const {
    return consilium::HWY_NAMESPACE::load(d, p);
  }
  template <class T>
  HWY_INLINE void store(hn::Vec<F32> v, T *p) const {
    consilium::HWY_NAMESPACE::store(d, v, p);
  }
  HWY_INLINE hn::Vec<F32> keep(hn::Vec<F32> v) const { return v; }
  HWY_INLINE hn::Vec<F32> keep(hn::Vec<F32> v, hn::Vec<F32>) const { return v; }
};

struct Tail {
  const F32 d;
  const size_t n;
  template <class T>
  HWY_INLINE hn::Vec<F32> load(const T *p) const {
    return load_n(d, p, n);
  }
  template <class T>
  HWY_INLINE void store(hn::Vec<F32> v, T *p) const {
    store_n(d, v, p, n);
  }
  HWY_INLINE hn::Vec<F32> keep(hn::Vec<F32> v) const { return hn::IfThenElseZero(hn::FirstN(d, n), v); }
  HWY_INLINE hn::Vec<F32> keep(hn::Vec<F32> v, hn::Vec<F32> other) const {
    return hn::IfThenElse(hn::FirstN(d, n), v, other);
  }
};

template <class Body>
HWY_INLINE void for_row(const F32 d, size_t length, Body body) {
  const size_t lanes = hn::Lanes(d), whole = length - length % lanes;
  for (size_t i = 0; i < whole; i += lanes) body(i, WholeVector{d});
  if (whole < length) body(whole, Tail{d, length - whole});
}

HWY_INLINE float sum_of(const F32 d, hn::Vec<F32> v) { return hn::GetLane(hn::SumOfLanes(d, v)); }
HWY_INLINE float max_of(const F32 d, hn::Vec<F32> v) { return hn::GetLane(hn::MaxOfLanes(d, v)); }

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
