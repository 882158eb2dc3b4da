// column-sums (cpu): sums over rows, split by shape into blocks of 64 rows and joined in their order
// Math      sums[n] = sum over t of x[t,n]
// Method    the launch over rows adds each block's rows into its own line of scratch; the join adds the lines, 64
// columns
//           to a cell
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_COLUMN_SUMS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_COLUMN_SUMS_H
#undef CONSILIUM_COLUMN_SUMS_H
#else
#define CONSILIUM_COLUMN_SUMS_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

constexpr size_t kBlockRows = 64, kBlockCols = 64;

// out[n] (+)= sum over blocks of lines[block * N + n], for the columns of cells [begin, end).
template <class T>
HWY_INLINE void join_column_sums(const float *lines, size_t blocks, size_t N, bool accumulate, size_t begin, size_t end,
                                 T *out) {
  const F32 d;
  const size_t lanes = hn::Lanes(d), stop = HWY_MIN(N, end * kBlockCols);
  for (size_t n = begin * kBlockCols; n < stop; n += lanes) {
    const size_t width = HWY_MIN(lanes, stop - n);
    auto sum = accumulate ? load_n(d, out + n, width) : hn::Zero(d);
    for (size_t block = 0; block < blocks; ++block) sum = hn::Add(sum, load_n(d, lines + block * N + n, width));
    store_n(d, sum, out + n, width);
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
