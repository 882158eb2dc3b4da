// elementwise/where (cpu)
// Math      y[i] = condition[i] != 0 ? a[i] : b[i]
// Shapes    condition [n] i32 · a, b, y [n]
// Launch    one cell per element
// Numerics  moves bits: 32-bit integers pass as f32
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/where.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// Words: integers of the storage's size, since a signalling NaN must not become a quiet one.
template <class Word>
void select_words(const int32_t *condition, const Word *a, const Word *b, Word *y, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) y[i] = condition[i] != 0 ? a[i] : b[i];
}

template <class T>
void elementwise_where(KERNEL_ARGS) {
  (void)params;
  (void)scratch;
  using Word = hwy::UnsignedFromSize<sizeof(T)>;
  select_words(static_cast<const int32_t *>(buffers[0]),  // condition [n]
               static_cast<const Word *>(buffers[1]),     // a [n]
               static_cast<const Word *>(buffers[2]),     // b [n]
               static_cast<Word *>(buffers[3]),           // y [n]
               begin, end);
}
KERNEL_TARGETS(elementwise_where)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_where)
#endif
