// elementwise/binary-broadcast (cpu)
// Math      y[i0..i5] = f(a[Σ ik ak], b[Σ ik bk])
// Shapes    y [d0..d5] contiguous · a, b read through strides; that of the innermost dimension is 0 or 1, not 0 in both
// Method    rows of the innermost dimension; the outer indices count up like an odometer, a and b following
// Launch    one cell per element; a chunk may begin and end inside a row
// Numerics  f32; rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/binary-broadcast.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/odometer.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
  uint32_t d0, d1, d2, d3, d4, d5, a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5;
};

// One run of elements along the innermost dimension.
template <class T, class F>
HWY_INLINE void broadcast_row(F f, const T *a, uint32_t a_stride, const T *b, uint32_t b_stride, T *y, size_t count) {
  if (a_stride != 0 && b_stride != 0)
    for_row(F32(), count,
            [=](size_t i, auto part) HWY_ATTR { part.store(f(F32(), part.load(a + i), part.load(b + i)), y + i); });
  else if (a_stride != 0) {
    const auto constant = hn::Set(F32(), load1(b));
    for_row(F32(), count,
            [=](size_t i, auto part) HWY_ATTR { part.store(f(F32(), part.load(a + i), constant), y + i); });
  } else {
    const auto constant = hn::Set(F32(), load1(a));
    for_row(F32(), count,
            [=](size_t i, auto part) HWY_ATTR { part.store(f(F32(), constant, part.load(b + i)), y + i); });
  }
}

template <class T>
void elementwise_binary_broadcast(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *a = static_cast<const T *>(buffers[0]);
  const auto *b = static_cast<const T *>(buffers[1]);
  auto *y = static_cast<T *>(buffers[2]);  // [d0..d5]
  const Grid grid{
      {p.d0, p.d1, p.d2, p.d3, p.d4, p.d5}, {p.a0, p.a1, p.a2, p.a3, p.a4, p.a5}, {p.b0, p.b1, p.b2, p.b3, p.b4, p.b5}};
  with_binary(p.f, [=, &grid](auto f) HWY_ATTR {
    for_rows(grid, begin, end, [=, &grid](size_t i, size_t count, size_t ia, size_t ib) HWY_ATTR {
      broadcast_row(f, a + ia, grid.a[5], b + ib, grid.b[5], y + i, count);
    });
  });
}
KERNEL_TARGETS(elementwise_binary_broadcast)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_binary_broadcast)
#endif
