// What the attention kernels compute with: small products held in registers, 2^x, and transposes through 4 x 4 blocks.
// Included once per SIMD target, like simd.h.
//
// Operands are f32, those read by vectors with rows padded to whole ones. `multiply` keeps a tile of the result in
// registers: of 32, 6 x 4 (rows x vectors), 8 x 3 or 12 x 2, 24 sums so that two FMA units never wait for one another.
#if defined(CONSILIUM_ATTENTION_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ATTENTION_TILE_H
#undef CONSILIUM_ATTENTION_TILE_H
#else
#define CONSILIUM_ATTENTION_TILE_H
#endif

#include <type_traits>

#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE::attention {

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
constexpr size_t TILE_VECTORS = 2;  // 16 registers
constexpr size_t tile_rows(size_t vectors) { return vectors == 2 ? 6 : 10; }
#else
constexpr size_t TILE_VECTORS = 4;
constexpr size_t tile_rows(size_t vectors) { return vectors == 4 ? 6 : vectors == 3 ? 8 : 12; }
#endif

template <size_t n>
using Size = std::integral_constant<size_t, n>;

enum class Order { ROWS, COLUMNS };

// A matrix that `multiply` reads one value at a time: element (r, k) is at r * pitch + k, or k * pitch + r by columns.
template <Order order>
struct Left {
  const float *values;
  size_t pitch;
  const float *at(size_t r, size_t k) const {
    return order == Order::ROWS ? values + r * pitch + k : values + k * pitch + r;
  }
};

// What the result holds before: nothing, a sum to add to, or one to scale first, column by column.
struct Start {
  bool add = false;
  const float *factor = nullptr;
};

template <size_t R, size_t V, Order order>
HWY_INLINE void multiply_tile(Left<order> a, const float *HWY_RESTRICT b, size_t b_pitch, size_t inner,
                              float *HWY_RESTRICT c, size_t c_pitch, Start start) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  hn::Vec<F32> sum[R][V];
#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (size_t v = 0; v < V; ++v) sum[r][v] = hn::Zero(d);

  for (size_t k = 0; k < inner; ++k) {
    hn::Vec<F32> row[V];
#pragma GCC unroll 4
    for (size_t v = 0; v < V; ++v) row[v] = hn::Load(d, b + k * b_pitch + v * lanes);
#pragma GCC unroll 16
    for (size_t r = 0; r < R; ++r) {
      const auto value = hn::Set(d, *a.at(r, k));
#pragma GCC unroll 4
      for (size_t v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(value, row[v], sum[r][v]);
    }
  }

#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (size_t v = 0; v < V; ++v) {
      float *to = c + r * c_pitch + v * lanes;
      if (start.factor)
        sum[r][v] = hn::MulAdd(hn::Load(d, to), hn::Load(d, start.factor + v * lanes), sum[r][v]);
      else if (start.add)
        sum[r][v] = hn::Add(hn::Load(d, to), sum[r][v]);
      hn::Store(sum[r][v], d, to);
    }
}

template <size_t V, Order order>
HWY_NOINLINE void multiply_columns(Left<order> a, const float *b, size_t b_pitch, size_t inner, float *c,
                                   size_t c_pitch, size_t rows, Start start) {
  size_t r = 0;
  const auto strips = [&](auto height) HWY_ATTR {
    constexpr size_t n = height();
    for (; r + n <= rows; r += n) {
      const Left<order> strip = {a.at(r, 0), a.pitch};
      multiply_tile<n, V>(strip, b, b_pitch, inner, c + r * c_pitch, c_pitch, start);
    }
  };
  strips(Size<tile_rows(V)>());
  strips(Size<4>());
  strips(Size<2>());
  strips(Size<1>());
}

// Calls f(Size<width>(), first) for as few pieces of `vectors` as registers allow, of about the same width.
template <class F>
HWY_INLINE void in_pieces(size_t vectors, F f) {
  const size_t pieces = (vectors + TILE_VECTORS - 1) / TILE_VECTORS;
  for (size_t piece = 0; piece < pieces; ++piece) {
    const size_t first = piece * vectors / pieces, width = (piece + 1) * vectors / pieces - first;
    if (width == 1) f(Size<1>(), first);
    if (width == 2) f(Size<2>(), first);
    if constexpr (TILE_VECTORS == 4) {
      if (width == 3) f(Size<3>(), first);
      if (width == 4) f(Size<4>(), first);
    }
  }
}

// c[r][j] = sum over k < inner of a(r, k) b[k][j], for r < rows and j < columns, a whole number of vectors.
template <Order order>
void multiply(Left<order> a, const float *b, size_t b_pitch, size_t inner, float *c, size_t c_pitch, size_t rows,
              size_t columns, Start start = {}) {
  const size_t lanes = hn::Lanes(F32());
  in_pieces(columns / lanes, [&](auto width, size_t first) HWY_ATTR {
    const size_t j = first * lanes;
    const Start from = {start.add, start.factor ? start.factor + j : nullptr};
    multiply_columns<width(), order>(a, b + j, b_pitch, inner, c + j, c_pitch, rows, from);
  });
}

// 2^x for x <= 0, exactly 0 below -127, NaN where x is, within 1 ulp: a polynomial of degree 6 on [-1/2, 1/2], times the
// power of two of the integer part.
template <class D, class V>
HWY_INLINE V exp2_negative(D d, V x) {
  const hn::RebindToSigned<D> di;
  // x comes second: where either is NaN, x86 takes that one.
  x = hn::Max(hn::Set(d, -127.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer, held in the low bits; 127 more make it the exponent of a power of two, which
  // at the clamp is 0 and no power but zero.
  const auto magic = hn::Set(d, 12583039.0f);
  const auto shifted = hn::Add(x, magic);
  const auto f = hn::Sub(x, hn::Sub(shifted, magic));
  auto y = hn::MulAdd(hn::Set(d, 1.535336196e-4f), f, hn::Set(d, 1.339887385e-3f));
  y = hn::MulAdd(y, f, hn::Set(d, 9.618436918e-3f));
  y = hn::MulAdd(y, f, hn::Set(d, 5.550332367e-2f));
  y = hn::MulAdd(y, f, hn::Set(d, 2.402264774e-1f));
  y = hn::MulAdd(y, f, hn::Set(d, 6.931471825e-1f));
  y = hn::MulAdd(y, f, hn::Set(d, 1.0f));
  return hn::Mul(y, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

#if HWY_TARGET != HWY_SCALAR
using Four = hn::FixedTag<float, 4>;

// Rows and columns of a 4 x 4 block exchanged.
template <class V>
HWY_INLINE void transpose4(V &a, V &b, V &c, V &e) {
  const Four d;
  const hn::Repartition<uint64_t, Four> d64;
  const auto lower = [&](V x, V y) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveLower(d64, hn::BitCast(d64, x), hn::BitCast(d64, y)));
  };
  const auto upper = [&](V x, V y) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveUpper(d64, hn::BitCast(d64, x), hn::BitCast(d64, y)));
  };
  const auto ab = hn::InterleaveLower(d, a, b), AB = hn::InterleaveUpper(d, a, b);
  const auto ce = hn::InterleaveLower(d, c, e), CE = hn::InterleaveUpper(d, c, e);
  a = lower(ab, ce), b = upper(ab, ce), c = lower(AB, CE), e = upper(AB, CE);
}
#endif

// n rows of D values of T, row(i) the start of one, become n columns of `to`, times `factor`.
template <class T, class Row>
HWY_INLINE void transpose_in(Row row, size_t n, size_t D, float factor, float *to, size_t pitch) {
  size_t whole = 0, deep = 0;
#if HWY_TARGET != HWY_SCALAR
  const Four d;
  whole = n - n % 4, deep = D - D % 4;
  const auto scale = hn::Set(d, factor);
  for (size_t i = 0; i < whole; i += 4) {
    const T *r0 = row(i), *r1 = row(i + 1), *r2 = row(i + 2), *r3 = row(i + 3);
    for (size_t c = 0; c < deep; c += 4) {
      auto v0 = hn::Mul(scale, load(d, r0 + c)), v1 = hn::Mul(scale, load(d, r1 + c));
      auto v2 = hn::Mul(scale, load(d, r2 + c)), v3 = hn::Mul(scale, load(d, r3 + c));
      transpose4(v0, v1, v2, v3);
      float *column = to + c * pitch + i;
      hn::StoreU(v0, d, column), hn::StoreU(v1, d, column + pitch);
      hn::StoreU(v2, d, column + 2 * pitch), hn::StoreU(v3, d, column + 3 * pitch);
    }
  }
#endif
  for (size_t i = 0; i < n; ++i)
    for (size_t c = i < whole ? deep : 0; c < D; ++c) to[c * pitch + i] = factor * load1(row(i) + c);
}

// n columns of `from`, each times its factor, become n rows of D values of T.
template <class T, class Row>
HWY_INLINE void transpose_out(const float *from, size_t pitch, const float *factors, size_t n, size_t D, Row row) {
  size_t whole = 0, deep = 0;
#if HWY_TARGET != HWY_SCALAR
  const Four d;
  whole = n - n % 4, deep = D - D % 4;
  for (size_t i = 0; i < whole; i += 4) {
    T *r0 = row(i), *r1 = row(i + 1), *r2 = row(i + 2), *r3 = row(i + 3);
    const auto scale = hn::LoadU(d, factors + i);
    for (size_t c = 0; c < deep; c += 4) {
      const float *column = from + c * pitch + i;
      auto v0 = hn::Mul(scale, hn::LoadU(d, column)), v1 = hn::Mul(scale, hn::LoadU(d, column + pitch));
      auto v2 = hn::Mul(scale, hn::LoadU(d, column + 2 * pitch)), v3 = hn::Mul(scale, hn::LoadU(d, column + 3 * pitch));
      transpose4(v0, v1, v2, v3);
      store(d, v0, r0 + c), store(d, v1, r1 + c), store(d, v2, r2 + c), store(d, v3, r3 + c);
    }
  }
#endif
  for (size_t i = 0; i < n; ++i)
    for (size_t c = i < whole ? deep : 0; c < D; ++c) store1(from[c * pitch + i] * factors[i], row(i) + c);
}

// n values of T widened to f32, times `factor`, then zeros up to `padded`.
template <class T>
HWY_INLINE void widen(const T *from, size_t n, float factor, float *to, size_t padded) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, factor);
  size_t c = 0;
  for (; c + lanes <= n; c += lanes) hn::Store(hn::Mul(scale, load(d, from + c)), d, to + c);
  if (c < n) hn::Store(hn::Mul(scale, load_n(d, from + c, n - c)), d, to + c), c += lanes;
  for (; c < padded; c += lanes) hn::Store(hn::Zero(d), d, to + c);
}

// The reverse, from a padded row.
template <class T>
HWY_INLINE void narrow(const float *from, size_t n, float factor, T *to) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, factor);
  size_t c = 0;
  for (; c + lanes <= n; c += lanes) store(d, hn::Mul(scale, hn::LoadU(d, from + c)), to + c);
  if (c < n) store_n(d, hn::Mul(scale, load_n(d, from + c, n - c)), to + c, n - c);
}

// Σ a[c] b[c] over n values; a is a padded row, b of T.
template <class T>
HWY_INLINE float dot(const float *a, const T *b, size_t n) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  size_t c = 0;
  for (; c + lanes <= n; c += lanes) sum = hn::MulAdd(hn::Load(d, a + c), load(d, b + c), sum);
  if (c < n) sum = hn::MulAdd(hn::Load(d, a + c), load_n(d, b + c, n - c), sum);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace consilium::HWY_NAMESPACE::attention
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
