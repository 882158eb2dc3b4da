// lora-matmul/backward-adapter (cpu)
// Math      da = gᵀ drop(x);  db = scale dyᵀ h;  each may add to what is there
// Shapes    dy [T,N] · x [T,K] · h, g [T,R] · random u32[4] · da [R,K] · db [N,R] · scratch [blocks, R, K + N] f32
// Method    Both are a narrow matrix, transposed, times a wide one (da with x, the transpose of db with dy). A cell has
//           512 tokens and 128 columns of the wide one, 32 tokens at a time, straight from its place: the narrow one is
//           laid out as multiply_tile wants it already. Dropout masks a copy of the strip. The join adds in order.
// Launch    512 tokens × 128 columns of x, then of dy · join: 128 columns
// Numerics  f32, tokens in order inside a block, blocks in order; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lora-matmul/backward-adapter.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/lora-matmul/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, accumulateA, accumulateB;
};

constexpr size_t kBlockTokens = 512, kBlockWidth = 128, kStep = 32;

// sums [R, cols] in tiles of kCols columns: narrowᵀ wide over `tokens` tokens and `cols` columns from (token, col) on.
template <class T>
HWY_INLINE void sum_block(const T *narrow, const T *wide, size_t R, size_t C, size_t token, size_t tokens, size_t col,
                          size_t cols, const Dropout &mask, float *sums, float *left, float *strip) {
  for (size_t t = 0; t < tokens; t += kStep) {
    const size_t depth = HWY_MIN(kStep, tokens - t);
    for (size_t i = 0; i < depth * R; ++i) left[i] = load1(narrow + (token + t) * R + i);
    for (size_t j = 0; j < cols; j += kCols) {
      const size_t width = HWY_MIN(kCols, cols - j);
      const T *from = wide + (token + t) * C + col + j;
      const bool direct = width == kCols && !mask;
      if (!direct) pack_rows<kCols>(Lines<T>{from, C}, width, depth, strip, 0);
      if (mask)
        for (size_t k = 0; k < depth; ++k) {
          float *line = strip + k * kCols;
          mask.apply(line, static_cast<uint32_t>((token + t + k) * C + col + j), width, line);
        }
      for (size_t r = 0; r < R; r += kRows) {
        const size_t height = HWY_MIN(kRows, R - r);
        float *tile = sums + j * R + r * kCols;
        if (direct)
          tile_for<T>(height, 2)(depth, left + r, R, from, C, tile, kCols, t > 0);
        else
          tile_for<float>(height, 2)(depth, left + r, R, strip, kCols, tile, kCols, t > 0);
      }
    }
  }
}

template <class T>
void lora_matmul_backward_adapter(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t R = p.R, N = p.N, K = p.K, x_cells = ceil_div(K, kBlockWidth),
               cells = x_cells + ceil_div(N, kBlockWidth);
  const auto *dy = static_cast<const T *>(buffers[0]);             // [T,N]
  const auto *x = static_cast<const T *>(buffers[1]);              // [T,K]
  const auto *h = static_cast<const T *>(buffers[2]);              // [T,R]
  const auto *g = static_cast<const T *>(buffers[3]);              // [T,R]
  const auto *random = static_cast<const uint32_t *>(buffers[4]);  // [4]
  const Dropout drop(random, p.sequence, p.dropout);
  const size_t sums_floats = R * kBlockWidth, strip_floats = kStep * kCols;
  auto *sums = static_cast<float *>(thread_workspace((sums_floats + strip_floats + kStep * R) * sizeof(float)));
  float *strip = sums + sums_floats, *left = strip + strip_floats;

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t block = cell / cells, piece = cell % cells, token = block * kBlockTokens;
    const size_t tokens = HWY_MIN(kBlockTokens, p.T - token);
    const bool for_a = piece < x_cells;
    const size_t C = for_a ? K : N, col = (for_a ? piece : piece - x_cells) * kBlockWidth;
    const size_t cols = HWY_MIN(kBlockWidth, C - col);
    sum_block(for_a ? g : h, for_a ? x : dy, R, C, token, tokens, col, cols, for_a ? drop : Dropout(), sums, left,
              strip);

    float *out = static_cast<float *>(scratch) + block * R * (K + N) + (for_a ? 0 : R * K) + col;
    for (size_t r = 0; r < R; ++r)
      for (size_t j = 0; j < cols; ++j) out[r * C + j] = sums[j / kCols * kCols * R + r * kCols + j % kCols];
  }
}
KERNEL_TARGETS(lora_matmul_backward_adapter)

template <class T>
void lora_matmul_backward_adapter_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t R = p.R, N = p.N, K = p.K, x_cells = ceil_div(K, kBlockWidth), blocks = ceil_div(p.T, kBlockTokens);
  auto *da = static_cast<T *>(buffers[5]);  // [R,K]
  auto *db = static_cast<T *>(buffers[6]);  // [N,R]
  for (size_t cell = begin; cell < end; ++cell) {
    const bool for_a = cell < x_cells;
    const size_t C = for_a ? K : N, col = (for_a ? cell : cell - x_cells) * kBlockWidth;
    const size_t last = HWY_MIN(C, col + kBlockWidth);
    const float *sums = static_cast<const float *>(scratch) + (for_a ? 0 : R * K);
    for (size_t r = 0; r < R; ++r)
      for (size_t c = col; c < last; ++c) {
        float sum = 0;
        for (size_t block = 0; block < blocks; ++block) sum += sums[block * R * (K + N) + r * C + c];
        if (for_a)
          store1(p.accumulateA ? load1(da + r * K + c) + sum : sum, da + r * K + c);
        else
          store1(p.accumulateB ? load1(db + c * R + r) + p.scale * sum : p.scale * sum, db + c * R + r);
      }
  }
}
KERNEL_TARGETS(lora_matmul_backward_adapter_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(lora_matmul_backward_adapter)
KERNEL_REGISTER(lora_matmul_backward_adapter_join)
#endif
