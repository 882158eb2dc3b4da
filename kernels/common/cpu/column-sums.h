// column-sums (cpu): sums over rows, split by shape into blocks of 64 rows and joined in their order
// Math      sums[n] = sum over t of a term of row t and column n; several such sums at once share what they read
// Method    the launch over rows adds each block's rows into its own line of scratch; the join adds the lines, 64 columns
//           to a cell. Within a block four vectors of columns stay in registers.
#include "kernels/common/cpu/rows.h"

#if defined(CONSILIUM_COLUMN_SUMS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_COLUMN_SUMS_H
#undef CONSILIUM_COLUMN_SUMS_H
#else
#define CONSILIUM_COLUMN_SUMS_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

constexpr size_t kBlockRows = 64, kBlockCols = 64;

HWY_INLINE size_t row_blocks(size_t T) { return (T + kBlockRows - 1) / kBlockRows; }

// The lines of row blocks [begin, end), each SUMS rows of N. add(part, t, n, sums) adds the terms of row t from column n
// on to its SUMS vectors; `part` is as in rows.h.
template <size_t SUMS, class Add>
HWY_INLINE void sum_blocks(size_t T, size_t N, size_t begin, size_t end, float *lines, Add add) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlockRows, last = HWY_MIN(T, first + kBlockRows);
    float *line = lines + block * SUMS * N;
    size_t n = 0;
    for (; n + 4 * lanes <= N; n += 4 * lanes) {
      hn::Vec<F32> sums[4][SUMS];
#pragma GCC unroll 4
      for (size_t v = 0; v < 4; ++v)
#pragma GCC unroll 2
        for (size_t s = 0; s < SUMS; ++s) sums[v][s] = hn::Zero(d);
      for (size_t t = first; t < last; ++t)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; ++v) add(WholeVector{d}, t, n + v * lanes, sums[v]);
#pragma GCC unroll 4
      for (size_t v = 0; v < 4; ++v)
#pragma GCC unroll 2
        for (size_t s = 0; s < SUMS; ++s) store(d, sums[v][s], line + s * N + n + v * lanes);
    }
    for_row(d, N - n, [&](size_t i, auto part) HWY_ATTR {
      hn::Vec<F32> sums[SUMS];
      for (size_t s = 0; s < SUMS; ++s) sums[s] = hn::Zero(d);
      for (size_t t = first; t < last; ++t) add(part, t, n + i, sums);
      for (size_t s = 0; s < SUMS; ++s) part.store(sums[s], line + s * N + n + i);
    });
  }
}

// out[n] (+)= sum over blocks of lines[block * pitch + n], for the columns of cells [begin, end).
template <class T>
HWY_INLINE void join_column_sums(const float *lines, size_t pitch, size_t blocks, size_t N, bool accumulate,
                                 size_t begin, size_t end, T *out) {
  const F32 d;
  const size_t first = begin * kBlockCols, last = HWY_MIN(N, end * kBlockCols);
  for_row(d, last - first, [&](size_t i, auto part) HWY_ATTR {
    const size_t n = first + i;
    auto sum = accumulate ? part.load(out + n) : hn::Zero(d);
    for (size_t block = 0; block < blocks; ++block) sum = hn::Add(sum, part.load(lines + block * pitch + n));
    part.store(sum, out + n);
  });
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
