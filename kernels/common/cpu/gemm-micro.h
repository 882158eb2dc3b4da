// gemm-micro (cpu): the register tile
// Math      c[i,j] (+)= sum over k of a[k * step_a + i] * b[k * step_b + j]
// Tiling    rows × 2 vectors of accumulators stay in registers: 12 rows where there are 32 registers (24 sums, 2 of b,
//           1 broadcast), 6 rows where there are 16
// Numerics  f32, k in order, one fused multiply-add per term
#include "kernels/common/cpu/gemm-pack.h"

#if defined(CONSILIUM_GEMM_MICRO_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GEMM_MICRO_H
#undef CONSILIUM_GEMM_MICRO_H
#else
#define CONSILIUM_GEMM_MICRO_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr size_t kRows = kManyRegisters ? 12 : 6;    // rows of a panel of a
constexpr size_t kCols = 2 * hn::MaxLanes(Lanes());  // columns of a panel of b

template <size_t ROWS, size_t VECTORS, class T>
HWY_NOINLINE void multiply_tile(size_t depth, const float *HWY_RESTRICT a, size_t step_a, const T *HWY_RESTRICT b,
                                size_t step_b, float *HWY_RESTRICT c, size_t ldc, bool resume) {
  const Lanes d;
  constexpr size_t kLanes = hn::MaxLanes(Lanes());
  hn::Vec<Lanes> sums[ROWS][VECTORS];
#pragma GCC unroll 12
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (size_t j = 0; j < VECTORS; ++j) sums[i][j] = resume ? hn::LoadU(d, c + i * ldc + j * kLanes) : hn::Zero(d);
  for (size_t k = 0; k < depth; ++k, a += step_a, b += step_b) {
    hn::Vec<Lanes> right[VECTORS];
#pragma GCC unroll 2
    for (size_t j = 0; j < VECTORS; ++j) right[j] = load(d, b + j * kLanes);
#pragma GCC unroll 12
    for (size_t i = 0; i < ROWS; ++i) {
      const auto left = hn::Set(d, a[i]);
#pragma GCC unroll 2
      for (size_t j = 0; j < VECTORS; ++j) sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 12
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (size_t j = 0; j < VECTORS; ++j) hn::StoreU(sums[i][j], d, c + i * ldc + j * kLanes);
}

template <class T>
using Tile = void (*)(size_t, const float *, size_t, const T *, size_t, float *, size_t, bool);

template <class T, size_t VECTORS, size_t... ROWS>
HWY_INLINE Tile<T> tile_of(size_t rows, std::index_sequence<ROWS...>) {
  static constexpr Tile<T> table[] = {multiply_tile<ROWS + 1, VECTORS, T>...};
  return table[rows - 1];
}

// The tile of `rows` rows (at most kRows) and one or two vectors.
template <class T>
HWY_INLINE Tile<T> tile_for(size_t rows, size_t vectors) {
  using Rows = std::make_index_sequence<kRows>;
  return vectors == 1 ? tile_of<T, 1>(rows, Rows()) : tile_of<T, 2>(rows, Rows());
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
