// quantized-matmul/few (cpu): up to 8 rows at a time times a quantised matrix, bound by the bytes of the weights
// Math      c[i,n] = sum over groups g of scale[n,g] (sum over k in g of x[i,k] q[n,k])
// Method    each row of the matrix is read once, from its place. A vector of words holds 8 steps of 4 bits: step j has bits
//           4j of each word, element 8 lane + j. So x is laid out first, once for all rows of the matrix, with the 8 steps
//           of a block apart: blocks of 8 × lanes elements, [step][lane]. A step is then a shift, a conversion and a
//           multiply-add; with 32 registers the conversion is a look-up in a vector of all sixteen values, which masks for
//           itself. A lane's words lie in one group: the sum of a block is multiplied by a vector of scales.
//           8 bits: elements stay in their order; one scale per group.
// Tiling    ROWS × COLS sums in registers: 4 columns for one row, for as many independent chains. The next rows of the
//           matrix are asked for as these are read: the hardware's own streams end with a row
// Numerics  f32; sums of k modulo the lanes apart, then joined
#include "kernels/quantized-matmul/weight.h"

#if defined(CONSILIUM_QUANTIZED_FEW_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_QUANTIZED_FEW_H
#undef CONSILIUM_QUANTIZED_FEW_H
#else
#define CONSILIUM_QUANTIZED_FEW_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

constexpr size_t kFewRows = 8, kFewCols = 64, kSpreadBlock = 128;

// Floats of a row of x as `spread_row` lays it out.
HWY_INLINE size_t spread_floats(size_t K) { return round_up(K, kSpreadBlock); }

// x [K] in f32, in the order in which the integers of a row come out of its words; zeros up to spread_floats.
template <class T>
HWY_INLINE void spread_row(const T *x, size_t K, size_t bits, float *out) {
  constexpr size_t kLanes = hn::MaxLanes(Lanes()), kBlock = 8 * kLanes;
  std::fill(out + K / kBlock * kBlock, out + spread_floats(K), 0.0f);
  if (bits == 8) {
    for (size_t k = 0; k < K; ++k) out[k] = load1(x + k);
    return;
  }
  for (size_t k = 0; k < K; ++k) out[k / kBlock * kBlock + k % 8 * kLanes + k % kBlock / 8] = load1(x + k);
}

// The values of the lowest four bits of each word.
HWY_INLINE hn::Vec<Lanes> lowest_nibbles(const Lanes d, hn::Vec<WordLanes> words) {
#if HWY_TARGET <= HWY_AVX3
  // The instruction looks at the lowest four bits of an index only; Highway's TableLookupLanes promises less.
  alignas(64) static constexpr float kValues[16] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};
  return hn::Vec<Lanes>{_mm512_permutexvar_ps(words.raw, hn::Load(d, kValues).raw)};
#else
  const hn::RebindToSigned<Lanes> di;
  return hn::ConvertTo(d, hn::ShiftRight<28>(hn::BitCast(di, hn::ShiftLeft<28>(words))));
#endif
}

// The scales of a vector of words, whose groups share its lanes out.
struct ScalesOfWords {
  size_t per_vector, groups;  // 0: a group is longer than a vector
  hn::Mask<WordLanes> odd;    // lanes of the groups whose scale is the high half of a pair

  explicit ScalesOfWords(const QuantizedMatrix &w)
      : per_vector(8 * hn::MaxLanes(Lanes()) / w.group), groups(w.K / w.group), odd(odd_lanes(per_vector)) {}

  static HWY_INLINE hn::Mask<WordLanes> odd_lanes(size_t per_vector) {
    const WordLanes du;
    const size_t lanes = hn::MaxLanes(Lanes()) / HWY_MAX(1, per_vector);  // of a group
    return hn::TestBit(hn::Iota(du, 0), hn::Set(du, static_cast<uint32_t>(lanes)));
  }

  // From group `first` on.
  HWY_INLINE hn::Vec<Lanes> operator()(const Lanes d, const uint32_t *pairs, size_t first) const {
    if (per_vector <= 1) return hn::Set(d, scale_at(pairs, first));
    const WordLanes du;
    const uint32_t *at = pairs + first / 2;
    auto pair = hn::Set(du, at[0]);
    // A vector that reaches past the last group has words of 0 there.
    if (per_vector == 4 && first + 2 < groups)
      pair = hn::IfThenElse(hn::FirstN(du, hn::MaxLanes(Lanes()) / 2), pair, hn::Set(du, at[1]));
    return hn::BitCast(d, hn::IfThenElse(odd, hn::And(pair, hn::Set(du, 0xFFFF0000u)), hn::ShiftLeft<16>(pair)));
  }
};

// c[i * ldc + j] for rows i of x (as spread_row leaves them) and rows n + j of the matrix.
template <size_t ROWS, size_t COLS>
HWY_NOINLINE void few_tile4(const QuantizedMatrix &w, size_t n, const float *const *x, float *HWY_RESTRICT c,
                            size_t ldc) {
  constexpr size_t kLanes = hn::MaxLanes(Lanes());
  const Lanes d;
  const WordLanes du;
  const size_t words = w.K / 8;
  const ScalesOfWords scales_of(w);
  const uint32_t *rows[COLS], *pairs[COLS];
  hn::Vec<Lanes> sums[ROWS][COLS];
  for (size_t j = 0; j < COLS; ++j) {
    rows[j] = w.row(n + j);
    pairs[j] = w.pairs(n + j);
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; ++i) sums[i][j] = hn::Zero(d);
  }
  for (size_t at = 0; at < words; at += kLanes) {
    hn::Vec<WordLanes> block[COLS];
    if (at + kLanes <= words) {
#pragma GCC unroll 4
      for (size_t j = 0; j < COLS; ++j) {
        block[j] = hn::LoadU(du, rows[j] + at);
        hwy::Prefetch(rows[j] + at + COLS * w.W);
      }
    } else {
      HWY_ALIGN uint32_t rest[kLanes] = {};
#pragma GCC unroll 4
      for (size_t j = 0; j < COLS; ++j) {
        for (size_t i = at; i < words; ++i) rest[i - at] = rows[j][i];
        block[j] = hn::Load(du, rest);
      }
    }
    hn::Vec<Lanes> partial[ROWS][COLS];
#pragma GCC unroll 8
    for (size_t step = 0; step < 8; ++step) {
#pragma GCC unroll 4
      for (size_t j = 0; j < COLS; ++j) {
        const auto q = lowest_nibbles(d, block[j]);
        block[j] = hn::ShiftRight<4>(block[j]);
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; ++i) {
          const auto left = hn::LoadU(d, x[i] + 8 * at + step * kLanes);
          partial[i][j] = step == 0 ? hn::Mul(left, q) : hn::MulAdd(left, q, partial[i][j]);
        }
      }
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) {
      const auto scales = scales_of(d, pairs[j], w.group_of(8 * at));
#pragma GCC unroll 8
      for (size_t i = 0; i < ROWS; ++i) sums[i][j] = hn::MulAdd(partial[i][j], scales, sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) c[i * ldc + j] = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
}

template <size_t ROWS, size_t COLS>
HWY_NOINLINE void few_tile8(const QuantizedMatrix &w, size_t n, const float *const *x, float *HWY_RESTRICT c,
                            size_t ldc) {
  const Lanes d;
  const WordLanes du;
  const size_t lanes = hn::Lanes(d);
  const uint32_t *rows[COLS], *pairs[COLS];
  for (size_t j = 0; j < COLS; ++j) {
    rows[j] = w.row(n + j);
    pairs[j] = w.pairs(n + j);
  }
  hn::Vec<Lanes> sums[ROWS][COLS];
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) sums[i][j] = hn::Zero(d);
  // One group, whose scales are the low halves of the pairs, or the high ones.
  const auto add_group = [&](size_t first, const hn::Vec<WordLanes>(&pair)[COLS], bool high) HWY_ATTR {
    hn::Vec<Lanes> partial[ROWS][COLS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
      for (size_t j = 0; j < COLS; ++j) partial[i][j] = hn::Zero(d);
    for (size_t k = first; k < first + w.group; k += lanes) {
#pragma GCC unroll 4
      for (size_t j = 0; j < COLS; ++j) {
        const auto q = QuantizedMatrix::load8(d, rows[j], k);
        if (k % 64 == 0) hwy::Prefetch(reinterpret_cast<const int8_t *>(rows[j] + COLS * w.W) + k);
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; ++i) partial[i][j] = hn::MulAdd(hn::LoadU(d, x[i] + k), q, partial[i][j]);
      }
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) {
      const auto scale = hn::BitCast(d, high ? hn::And(pair[j], hn::Set(du, 0xFFFF0000u)) : hn::ShiftLeft<16>(pair[j]));
#pragma GCC unroll 8
      for (size_t i = 0; i < ROWS; ++i) sums[i][j] = hn::MulAdd(partial[i][j], scale, sums[i][j]);
    }
  };
  for (size_t first = 0; first < w.K; first += 2 * w.group) {
    hn::Vec<WordLanes> pair[COLS];
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) pair[j] = hn::Set(du, pairs[j][w.group_of(first) / 2]);
    add_group(first, pair, false);
    if (first + w.group < w.K) add_group(first + w.group, pair, true);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (size_t j = 0; j < COLS; ++j) c[i * ldc + j] = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
}

template <size_t ROWS>
void few_columns_of(const QuantizedMatrix &w, size_t n, size_t cols, const float *const *x, float *c, size_t ldc) {
  constexpr size_t kWide = ROWS == 1 ? 4 : ROWS <= 3 ? 2 : 1;
  size_t j = 0;
  for (; j + kWide <= cols; j += kWide)
    w.bits == 4 ? few_tile4<ROWS, kWide>(w, n + j, x, c + j, ldc) : few_tile8<ROWS, kWide>(w, n + j, x, c + j, ldc);
  for (; j < cols; ++j)
    w.bits == 4 ? few_tile4<ROWS, 1>(w, n + j, x, c + j, ldc) : few_tile8<ROWS, 1>(w, n + j, x, c + j, ldc);
}

// c[i * ldc + j] for 1 to 8 rows i and columns j of wᵀ from n on.
HWY_INLINE void few_columns(const QuantizedMatrix &w, size_t rows, size_t n, size_t cols, const float *const *x,
                            float *c, size_t ldc) {
  switch (rows) {
    case 1: return few_columns_of<1>(w, n, cols, x, c, ldc);
    case 2: return few_columns_of<2>(w, n, cols, x, c, ldc);
    case 3: return few_columns_of<3>(w, n, cols, x, c, ldc);
    case 4: return few_columns_of<4>(w, n, cols, x, c, ldc);
    case 5: return few_columns_of<5>(w, n, cols, x, c, ldc);
    case 6: return few_columns_of<6>(w, n, cols, x, c, ldc);
    case 7: return few_columns_of<7>(w, n, cols, x, c, ldc);
    default: return few_columns_of<8>(w, n, cols, x, c, ldc);
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
