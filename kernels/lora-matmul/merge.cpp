// lora-matmul/merge (cpu)
// Math      weight += scale b a
// Shapes    weight [N,K] · a [R,K] · b [N,R]
// Method    the cells of gemm.h, 96 rows × 512 columns, packing in place: the inner dimension is short
// Launch    one cell per rectangle of weight
// Numerics  f32; the weight is rounded once, so taking out again restores it within one rounding
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lora-matmul/merge.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/gemm.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t N, K, R;
  float scale;
};

template <class T>
void lora_matmul_merge(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t N = p.N, K = p.K, R = p.R, rows = 96, cols = 512, col_cells = ceil_div(K, cols);
  auto *weight = static_cast<T *>(buffers[0]);         // [N,K]
  const auto *a = static_cast<const T *>(buffers[1]);  // [R,K]
  const auto *b = static_cast<const T *>(buffers[2]);  // [N,R]
  const Operand<T> left{{b, R, 1}, nullptr, 0}, right{{a, 1, K}, nullptr, 0};
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, p.scale);
  const auto add = [&](const float *tile, size_t ld, size_t row, size_t height, size_t col, size_t width) HWY_ATTR {
    for (size_t i = 0; i < height; ++i) {
      T *out = weight + (row + i) * K + col;
      size_t j = 0;
      for (; j + lanes <= width; j += lanes)
        store(d, hn::MulAdd(factor, hn::LoadU(d, tile + i * ld + j), load(d, out + j)), out + j);
      if (const size_t n = width - j)
        store_n(d, hn::MulAdd(factor, load_n(d, tile + i * ld + j, n), load_n(d, out + j, n)), out + j, n);
    }
  };
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t row = cell / col_cells * rows, col = cell % col_cells * cols;
    multiply_cell(left, right, {row, HWY_MIN(rows, N - row), col, HWY_MIN(cols, K - col), 0, R}, add);
  }
}
KERNEL_TARGETS(lora_matmul_merge)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(lora_matmul_merge)
#endif
