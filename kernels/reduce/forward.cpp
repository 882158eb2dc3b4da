// reduce/forward (cpu)
// Math      y[o,i] = scale · f_l x[o,l,i]; f is a sum, a maximum or a minimum (functions.ts)
// Shapes    x [O,L,I] · y [O,I]
// Method    1. rows (I = 1): runs of 8,192 elements in four vectors; columns: 128 rows by 256, four rows at a time
//           2. partial results of one output joined in order
// Tiling    a cell owns a run, or a block; cells run over column blocks, then splits of L, then O
// Launch    1: one cell per run or block · 2: one cell per row of y's column blocks, none where L is not split
// Numerics  partial sums in f32, joined in float64; the order depends on the shape and the vector length only.
//           NaN gives NaN in a maximum, too.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// The same numbers are in kernels.ts.
constexpr size_t run = 8192, block_rows = 128, block_columns = 256;

struct Params {
  uint32_t O, L, I, f;
  float scale;
};

struct ReduceSum {
  static constexpr float identity = 0.0f;
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return hn::Add(a, b);
  }
  static HWY_INLINE double join(double a, double b) { return a + b; }
};
// Selects, since Max and Min leave the result for NaN to the target.
struct ReduceMaximum {
  static constexpr float identity = -std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b);
  }
  static HWY_INLINE double join(double a, double b) { return a > b || a != a ? a : b; }
};
struct ReduceMinimum {
  static constexpr float identity = std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b);
  }
  static HWY_INLINE double join(double a, double b) { return a < b || a != a ? a : b; }
};

struct ReduceSplits {
  size_t length, count;  // along L
  size_t columns;        // blocks of columns
  explicit ReduceSplits(const Params &p)
      : length(p.I == 1 ? run : block_rows),
        count(std::max<size_t>(1, (p.L + length - 1) / length)),
        columns((p.I + block_columns - 1) / block_columns) {}
};

// f over n contiguous elements. Few are taken one by one: joining the lanes of a vector would cost more.
template <class F, class T>
double reduce_piece(const T *x, size_t n) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  if (n < 2 * lanes) {
    double result = F::identity;
    for (size_t i = 0; i < n; ++i) result = F::join(result, load1(x + i));
    return result;
  }
  auto s0 = hn::Set(d, F::identity), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = F::combine(s0, load(d, x + i));
    s1 = F::combine(s1, load(d, x + i + lanes));
    s2 = F::combine(s2, load(d, x + i + 2 * lanes));
    s3 = F::combine(s3, load(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = F::combine(s0, load(d, x + i));
  if (i < n) {
    const auto tail = load_n(d, x + i, n - i);
    s1 = F::combine(s1, hn::IfThenElse(hn::FirstN(d, n - i), tail, hn::Set(d, F::identity)));
  }
  HWY_ALIGN float part[hn::MaxLanes(d)];
  hn::Store(F::combine(F::combine(s0, s1), F::combine(s2, s3)), d, part);
  double result = part[0];
  for (size_t k = 1; k < lanes; ++k) result = F::join(result, part[k]);
  return result;
}

// f over a run. No lane adds more than 128 elements, the run of a 16-lane target: short vectors round no worse.
template <class F, class T>
double reduce_run(const T *x, size_t n) {
  const size_t piece = 512 * hn::Lanes(F32());
  double result = reduce_piece<F>(x, HWY_MIN(piece, n));
  for (size_t i = piece; i < n; i += piece) result = F::join(result, reduce_piece<F>(x + i, HWY_MIN(piece, n - i)));
  return result;
}

// f over `rows` rows of `width` columns, `pitch` elements apart, into out[width] f32.
template <class F, class T>
void reduce_block(const T *x, size_t rows, size_t width, size_t pitch, float *HWY_RESTRICT out) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  std::fill_n(out, width, F::identity);
  size_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * pitch) {
    size_t c = 0;
    for (; c + lanes <= width; c += lanes) {
      const auto low = F::combine(load(d, x + c), load(d, x + pitch + c));
      const auto high = F::combine(load(d, x + 2 * pitch + c), load(d, x + 3 * pitch + c));
      store(d, F::combine(load(d, out + c), F::combine(low, high)), out + c);
    }
    if (const size_t n = width - c) {
      const auto low = F::combine(load_n(d, x + c, n), load_n(d, x + pitch + c, n));
      const auto high = F::combine(load_n(d, x + 2 * pitch + c, n), load_n(d, x + 3 * pitch + c, n));
      store_n(d, F::combine(load_n(d, out + c, n), F::combine(low, high)), out + c, n);
    }
  }
  for (; r < rows; ++r, x += pitch) {
    size_t c = 0;
    for (; c + lanes <= width; c += lanes) store(d, F::combine(load(d, out + c), load(d, x + c)), out + c);
    if (const size_t n = width - c) store_n(d, F::combine(load_n(d, out + c, n), load_n(d, x + c, n)), out + c, n);
  }
}

template <class F, class T>
void reduce_partial(const Params &p, const T *x, T *y, float *partial, size_t begin, size_t end) {
  const ReduceSplits s(p);
  const size_t L = p.L, I = p.I;
  if (I == 1 && s.count == 1) {
    for (size_t o = begin; o < end; ++o) store1(static_cast<float>(reduce_run<F>(x + o * L, L)) * p.scale, y + o);
    return;
  }
  HWY_ALIGN float block[block_columns];
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t column = cell % s.columns * block_columns, split = cell / s.columns % s.count;
    const size_t o = cell / s.columns / s.count;
    const size_t from = split * s.length, length = std::min(s.length, L - from);
    const size_t width = std::min(block_columns, I - column);
    const T *first = x + (o * L + from) * I + column;
    if (s.count > 1) {
      float *out = partial + (o * s.count + split) * I + column;
      if (I == 1)
        *out = static_cast<float>(reduce_run<F>(first, length));
      else
        reduce_block<F>(first, length, width, I, out);
    } else {
      reduce_block<F>(first, length, width, I, block);
      for (size_t c = 0; c < width; ++c) store1(block[c] * p.scale, y + o * I + column + c);
    }
  }
}

template <class F, class T>
void reduce_join(const Params &p, const float *partial, T *y, size_t begin, size_t end) {
  const ReduceSplits s(p);
  const size_t I = p.I;
  double joined[block_columns];
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t column = cell % s.columns * block_columns, o = cell / s.columns;
    const size_t width = std::min(block_columns, I - column);
    const float *row = partial + o * s.count * I + column;
    for (size_t c = 0; c < width; ++c) joined[c] = row[c];
    for (size_t k = 1; k < s.count; ++k)
      for (size_t c = 0; c < width; ++c) joined[c] = F::join(joined[c], row[k * I + c]);
    for (size_t c = 0; c < width; ++c) store1(static_cast<float>(joined[c] * p.scale), y + o * I + column + c);
  }
}

// Calls g with the reduction of a code.
template <class G>
HWY_INLINE void with_reduction(uint32_t f, G g) {
  if (f == 0)
    g(ReduceSum());
  else if (f == 1)
    g(ReduceMaximum());
  else
    g(ReduceMinimum());
}

template <class T>
void reduce_forward_partial(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const T *>(buffers[0]);  // [O,L,I]
  auto *y = static_cast<T *>(buffers[1]);              // [O,I]
  with_reduction(
      p.f, [&](auto f) HWY_ATTR { reduce_partial<decltype(f)>(p, x, y, static_cast<float *>(scratch), begin, end); });
}
KERNEL_TARGETS(reduce_forward_partial)

template <class T>
void reduce_forward_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  auto *y = static_cast<T *>(buffers[1]);  // [O,I]
  with_reduction(
      p.f, [&](auto f) HWY_ATTR { reduce_join<decltype(f)>(p, static_cast<const float *>(scratch), y, begin, end); });
}
KERNEL_TARGETS(reduce_forward_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(reduce_forward_partial)
KERNEL_REGISTER(reduce_forward_join)
#endif
