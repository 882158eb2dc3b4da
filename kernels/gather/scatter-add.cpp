// gather/scatter-add (cpu)
// Math      y[o,v,i] = base[o,v,i] + Σ_{k: index[o,k,i] = v} x[o,k,i]; a fault where the index is outside [0, V)
// Shapes    x [O,K,I] · index [O,K,I] i32 · base, y [O,V,I], base optional (0)
// Method    the sums of 64 columns stay in the thread's workspace while all k go by
// Launch    one cell per 64 columns of a matrix [V,I]
// Numerics  f32 in the order of k; rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gather/scatter-add.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/fault.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t O, V, K, I, faultLabel, hasBase;
};

constexpr size_t kColumns = 64;  // COLUMNS of kernels.ts

template <class T>
void gather_scatter_add(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t I = p.I, blocks = (I + kColumns - 1) / kColumns;
  const auto *x = static_cast<const T *>(buffers[0]);             // [O,K,I]
  const auto *index = static_cast<const uint32_t *>(buffers[1]);  // [O,K,I], a negative one is a large one
  const auto *base = p.hasBase ? static_cast<const T *>(buffers[2]) : nullptr;  // [O,V,I]
  auto *y = static_cast<T *>(buffers[3]);                                       // [O,V,I]

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t o = cell / blocks, first = cell % blocks * kColumns, count = std::min(kColumns, I - first);
    const size_t out = o * p.V * I + first;
    auto *sums = static_cast<float *>(thread_workspace((p.V * count + 1) * sizeof(float)));  // [V,count]
    for (size_t v = 0; v < p.V; ++v)
      for (size_t i = 0; i < count; ++i) sums[v * count + i] = base != nullptr ? load1(base + out + v * I + i) : 0.0f;
    for (size_t k = 0; k < p.K; ++k)
      for (size_t i = 0; i < count; ++i) {
        const size_t at = (o * p.K + k) * I + first + i;
        const uint32_t v = index[at];
        if (v < p.V)
          sums[v * count + i] += load1(x + at);
        else
          report_bad_index(buffers[4], p.faultLabel, static_cast<uint32_t>(at), static_cast<int32_t>(v));
      }
    for (size_t v = 0; v < p.V; ++v)
      for (size_t i = 0; i < count; ++i) store1(sums[v * count + i], y + out + v * I + i);
  }
}
KERNEL_TARGETS(gather_scatter_add)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(gather_scatter_add)
#endif
