// ceiling/multiply-add (cpu)
// Math      y[i] = s after `steps` times s = s factor + term, from s = i mod 256
// Shapes    y [n] f32
// Method    the arithmetic of this machine and nothing else: sums stay in registers, enough of them that each fused
//           multiply-add of one is done before its next begins (4 or 5 cycles on two ports, 4 on four of ARM's), and steps
//           follow each other in one loop
// Tiling    24 vectors of sums where there are 32 registers, 12 where there are 16; a cell is 384 sums, some blocks of them
// Launch    one cell per 384 sums
// Numerics  f32, one fused multiply-add a step; SSE4 has none and rounds twice
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ceiling/multiply-add.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, steps;
  float factor, term;
};

constexpr size_t kCell = 384;
constexpr size_t kVectors = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64 ? 24 : 12;
// No vector is longer than AVX-512's, whatever the target.
using Lane = hn::CappedTag<float, 16>;
constexpr size_t kBlock = kVectors * hn::MaxLanes(Lane());
static_assert(kCell % kBlock == 0);

// `sums` [kBlock], in place.
HWY_NOINLINE void multiply_add_block(float *HWY_RESTRICT sums, const Params &p) {
  const Lane d;
  constexpr size_t lanes = hn::MaxLanes(Lane());
  const auto factor = hn::Set(d, p.factor), term = hn::Set(d, p.term);
  hn::Vec<Lane> s[kVectors];
#pragma GCC unroll 24
  for (size_t v = 0; v < kVectors; ++v) s[v] = hn::LoadU(d, sums + v * lanes);
  for (uint32_t step = 0; step < p.steps; ++step)
#pragma GCC unroll 24
    for (size_t v = 0; v < kVectors; ++v) s[v] = hn::MulAdd(s[v], factor, term);
#pragma GCC unroll 24
  for (size_t v = 0; v < kVectors; ++v) hn::StoreU(s[v], d, sums + v * lanes);
}

void ceiling_multiply_add_f32(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *y = static_cast<float *>(buffers[0]);  // [n]
  for (size_t cell = begin; cell < end; ++cell) {
    HWY_ALIGN float sums[kCell];
    const size_t first = cell * kCell;
    for (size_t i = 0; i < kCell; ++i) sums[i] = static_cast<float>((first + i) % 256);
    for (size_t block = 0; block < kCell; block += kBlock) multiply_add_block(sums + block, p);
    std::memcpy(y + first, sums, sizeof(float) * std::min(kCell, p.n - first));
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(ceiling_multiply_add_f32)
#endif
