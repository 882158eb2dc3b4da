// ceiling/copy (cpu)
// Math      y[i] = x[i]
// Shapes    x, y [n] f32
// Method    stores go past the caches, so that memory carries each byte once on its way in and once on its way out: a plain
//           store would read what it overwrites; loads are asked for 2 KiB ahead, a tenth faster on a Zen 4
// Launch    one cell per element, in chunks of 1 MiB
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ceiling/copy.cpp"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// Elements of a cache line, and those that are asked for ahead, which may lie past the end of x: a hint never faults.
constexpr size_t kLine = 16, kAhead = 512;

void ceiling_copy_f32(KERNEL_ARGS) {
  (void)params;
  (void)scratch;
  const auto *x = static_cast<const float *>(buffers[0]);  // [n]
  auto *y = static_cast<float *>(buffers[1]);              // [n]
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  size_t i = begin;
  const size_t last = end;
  // Streaming stores need whole vectors at their own alignment.
  for (; i < last && reinterpret_cast<uintptr_t>(y + i) % (lanes * sizeof(float)) != 0; ++i) y[i] = x[i];
  for (; i + 4 * lanes <= last; i += 4 * lanes) {
    for (size_t line = 0; line < 4 * lanes; line += kLine) hwy::Prefetch(x + i + kAhead + line);
    const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + lanes);
    const auto c = hn::LoadU(d, x + i + 2 * lanes), e = hn::LoadU(d, x + i + 3 * lanes);
    hn::Stream(a, d, y + i);
    hn::Stream(b, d, y + i + lanes);
    hn::Stream(c, d, y + i + 2 * lanes);
    hn::Stream(e, d, y + i + 3 * lanes);
  }
  for (; i < last; ++i) y[i] = x[i];
  hwy::FlushStream();
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(ceiling_copy_f32)
#endif
