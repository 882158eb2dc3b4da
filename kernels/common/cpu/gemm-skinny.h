// gemm-skinny (cpu): products with at most 8 rows, where packing b would cost more than multiplying by it
// Math      op(a) op(b), handed to an epilogue in pieces of 256 columns
// Method    b stored [N,K] (a linear layer's weight): each column of op(b) is contiguous, so rows × a few columns of
//           dot products with one vector of sums each. b stored [K,N]: multiply_tile straight on b, 32 values of k at a
//           time, so that whole lines of b are read side by side. Each element of b is read once.
// Tiling    a is widened (and turned where needed) once per call; sums of a piece stay in L1
// Numerics  f32; dot products sum k modulo the lanes apart, then join the lanes
#include "kernels/common/cpu/gemm.h"

#if defined(CONSILIUM_GEMM_SKINNY_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GEMM_SKINNY_H
#undef CONSILIUM_GEMM_SKINNY_H
#else
#define CONSILIUM_GEMM_SKINNY_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// c[i * ldc + j] = sum over k of a[i * lda + k] * b[j * ldb + k]
template <size_t ROWS, size_t COLS, class T>
HWY_NOINLINE void dot_tile(size_t depth, const float *HWY_RESTRICT a, size_t lda, const T *HWY_RESTRICT b, size_t ldb,
                           float *HWY_RESTRICT c, size_t ldc) {
  const Lanes d;
  constexpr size_t kLanes = hn::MaxLanes(Lanes());
  hn::Vec<Lanes> sums[ROWS][COLS];
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 8
    for (size_t j = 0; j < COLS; ++j) sums[i][j] = hn::Zero(d);
  size_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    hn::Vec<Lanes> right[COLS];
#pragma GCC unroll 8
    for (size_t j = 0; j < COLS; ++j) right[j] = load(d, b + j * ldb + k);
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; ++i) {
      const auto left = hn::LoadU(d, a + i * lda + k);
#pragma GCC unroll 8
      for (size_t j = 0; j < COLS; ++j) sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
    }
  }
  if (const size_t n = depth - k) {
    hn::Vec<Lanes> right[COLS];
#pragma GCC unroll 8
    for (size_t j = 0; j < COLS; ++j) right[j] = load_n(d, b + j * ldb + k, n);
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; ++i) {
      const auto left = load_n(d, a + i * lda + k, n);
#pragma GCC unroll 8
      for (size_t j = 0; j < COLS; ++j) sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 8
    for (size_t j = 0; j < COLS; ++j) c[i * ldc + j] = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
}

// All columns for one number of rows, as many at a time as the registers hold.
template <size_t ROWS, class T>
void dot_rows(size_t depth, const float *a, size_t lda, const T *b, size_t ldb, size_t cols, float *c, size_t ldc) {
  constexpr size_t kSums = kManyRegisters ? 24 : 8;
  constexpr size_t kWide = ROWS * 8 <= kSums ? 8 : ROWS * 4 <= kSums ? 4 : ROWS * 2 <= kSums ? 2 : 1;
  size_t j = 0;
  for (; j + kWide <= cols; j += kWide) dot_tile<ROWS, kWide>(depth, a, lda, b + j * ldb, ldb, c + j, ldc);
  for (; j < cols; ++j) dot_tile<ROWS, 1>(depth, a, lda, b + j * ldb, ldb, c + j, ldc);
}

template <class T>
HWY_INLINE void dot_columns(size_t rows, size_t depth, const float *a, size_t lda, const T *b, size_t ldb, size_t cols,
                            float *c, size_t ldc) {
  switch (rows) {
    case 1: return dot_rows<1>(depth, a, lda, b, ldb, cols, c, ldc);
    case 2: return dot_rows<2>(depth, a, lda, b, ldb, cols, c, ldc);
    case 3: return dot_rows<3>(depth, a, lda, b, ldb, cols, c, ldc);
    case 4: return dot_rows<4>(depth, a, lda, b, ldb, cols, c, ldc);
    case 5: return dot_rows<5>(depth, a, lda, b, ldb, cols, c, ldc);
    case 6: return dot_rows<6>(depth, a, lda, b, ldb, cols, c, ldc);
    case 7: return dot_rows<7>(depth, a, lda, b, ldb, cols, c, ldc);
    default: return dot_rows<8>(depth, a, lda, b, ldb, cols, c, ldc);
  }
}

// c[row, col] = a (packed, 8 rows per k) times b [K,N], for up to 256 columns; c in tiles of kCols columns.
template <class T>
HWY_INLINE void stream_columns(size_t rows, size_t depth, const float *a, const T *b, size_t N, size_t cols, float *c,
                               float *strip) {
  constexpr size_t kBlock = 32;
  for (size_t k = 0; k < depth; k += kBlock) {
    const size_t block = HWY_MIN(kBlock, depth - k);
    for (size_t j = 0; j < cols; j += kCols) {
      const size_t width = HWY_MIN(kCols, cols - j);
      for (size_t i = k + kBlock; i < HWY_MIN(depth, k + 2 * kBlock); ++i)
        for (size_t c = 0; c < width; c += 64 / sizeof(T)) hwy::Prefetch(b + i * N + j + c);
      if (width < kCols) pack_rows<kCols>(Lines<T>{b + k * N + j, N}, width, block, strip, 0);
      for (size_t i = 0; i < rows; i += kRows) {
        const size_t height = HWY_MIN(kRows, rows - i);
        const float *left = a + k * kSkinnyRows + i;
        float *tile = c + j * rows + i * kCols;
        if (width < kCols)
          tile_for<float>(height, 2)(block, left, kSkinnyRows, strip, kCols, tile, kCols, k > 0);
        else
          tile_for<T>(height, 2)(block, left, kSkinnyRows, b + k * N + j, N, tile, kCols, k > 0);
      }
    }
  }
}

// Cells are pieces of 256 columns of one batch. make_epilogue(batch) gives what takes the finished tiles.
template <class T, class MakeEpilogue>
HWY_INLINE void multiply_skinny(const GemmShape &s, const T *a, const T *b, size_t begin, size_t end,
                                const MakeEpilogue &make_epilogue) {
  const size_t M = s.M, N = s.N, K = s.K, pieces = ceil_div(N, kSkinnyCols);
  const size_t a_floats = round_up(K * kSkinnyRows, 16), c_floats = kSkinnyRows * kSkinnyCols;
  auto *work_c = static_cast<float *>(thread_workspace((a_floats + c_floats + 32 * kCols) * sizeof(float)));
  float *strip = work_c + c_floats, *work_a = strip + 32 * kCols;

  size_t widened = s.B;
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t batch = cell / pieces, col = cell % pieces * kSkinnyCols, cols = HWY_MIN(kSkinnyCols, N - col);
    const auto left = rows_of_a(s, a, batch);
    const auto right = columns_of_b(s, b, batch).at(col, 0);
    if (widened != batch) {
      if (!s.transpose_b)
        pack_panels<kSkinnyRows>(left, M, K, work_a, 0);
      else
        for (size_t m = 0; m < M; ++m)
          for (size_t k = 0; k < K; ++k) work_a[m * K + k] = load1(left.at(m, k).data);
      widened = batch;
    }
    const auto epilogue = make_epilogue(batch);
    if (s.transpose_b) {
      dot_columns(M, K, work_a, K, right.data, K, cols, work_c, kSkinnyCols);
      epilogue(work_c, kSkinnyCols, 0, M, col, cols);
    } else {
      if (K == 0) std::fill(work_c, work_c + c_floats, 0.0f);
      stream_columns(M, K, work_a, right.data, N, cols, work_c, strip);
      for (size_t j = 0; j < cols; j += kCols) epilogue(work_c + j * M, kCols, 0, M, col + j, HWY_MIN(kCols, cols - j));
    }
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
