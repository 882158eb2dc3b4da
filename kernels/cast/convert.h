// Conversion loops between floating storage types. Included once per target, so no #pragma once.
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_CAST_CONVERT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_CAST_CONVERT_H
#undef CONSILIUM_CAST_CONVERT_H
#else
#define CONSILIUM_CAST_CONVERT_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class From, class To>
HWY_INLINE void convert(const From *x, To *y, size_t begin, size_t end) {
  for_row(F32(), end - begin,
          [=](size_t i, auto part) HWY_ATTR { part.store(part.load(x + begin + i), y + begin + i); });
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
