// gemm-pack (cpu): operands of a product, laid out as the micro-kernel reads them
// Math      out[k * WIDTH + i] = source(item i, inner k), zero for items past the last
// Method    An item is a row of op(a) or a column of op(b). Where items lie side by side in memory, each k is a copy;
//           where an item's inner values do, they are transposed inside 128-bit blocks: four values of as many items as
//           a vector has lanes; or, where items are not evenly spaced or do not fill vectors, a vector of four items,
//           which leaves four items of one k in each block. bf16 and f16 are widened on the way. Lines of memory may
//           be gathered by a list, which costs nothing beside the copy.
// Limits    WIDTH >= 4 where there are vectors
#include "hwy/cache_control.h"
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_GEMM_PACK_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GEMM_PACK_H
#undef CONSILIUM_GEMM_PACK_H
#else
#define CONSILIUM_GEMM_PACK_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// At most 16 lanes: a strip of 32 columns is then at least two vectors on every target.
using Lanes = hn::CappedTag<float, 16>;

// Items of an operand in memory: item i, inner k is at data[i * item + k * inner]; one of the two strides is 1.
template <class T>
struct Items {
  const T *data;
  size_t item, inner;
  Items at(size_t i, size_t k) const { return {data + i * item + k * inner, item, inner}; }
};

// Rows of a matrix in memory, by their number or by that of a list: row order[i] / choices is then the i-th.
template <class T>
struct Lines {
  const T *data;
  size_t step;
  const int32_t *order = nullptr;
  uint32_t choices = 1, last = 0;  // last: the highest row, so that no list leads outside
  HWY_INLINE const T *operator()(size_t i) const {
    return data + (order ? HWY_MIN(static_cast<uint32_t>(order[i]) / choices, last) : i) * step;
  }
  // From row i and column k on.
  Lines at(size_t i, size_t k) const {
    return order ? Lines{data + k, step, order + i, choices, last} : Lines{data + i * step + k, step};
  }
};

// Values read at one go are this many rows of the source ahead of their use: strided rows defeat the hardware's
// streams.
constexpr size_t kAhead = 8;

// Asks for the lines [begin, end), `length` values of each, into L2. Inlined: GCC drops calls of functions that only prefetch.
template <class T>
HWY_INLINE void prefetch_lines(const Lines<T> &lines, size_t begin, size_t end, size_t length) {
  constexpr size_t kLine = 64 / sizeof(T);
  for (size_t i = begin; i < end; ++i) {
    const T *line = lines(i);
    for (size_t j = 0; j < length; j += kLine) __builtin_prefetch(line + j, 0, 2);
  }
}

// Part `part` of `parts` of what pack_panels would read.
template <class T>
HWY_INLINE void prefetch_panels(const Items<T> &from, size_t count, size_t depth, size_t part, size_t parts) {
  const bool rows = from.item == 1;
  const size_t lines = rows ? depth : count;
  prefetch_lines(Lines<T>{from.data, rows ? from.inner : from.item}, lines * part / parts, lines * (part + 1) / parts,
                 rows ? count : depth);
}

// Items side by side, a line for each k: a copy of `count` items per k, WIDTH to a panel, panels `stride` floats apart.
// A panel takes PITCH floats for each k, of which this fills WIDTH.
template <size_t WIDTH, size_t PITCH = WIDTH, class T>
HWY_NOINLINE void pack_rows(const Lines<T> &from, size_t count, size_t depth, float *out, size_t stride) {
  constexpr size_t kLine = 64 / sizeof(T);
  const hn::CappedTag<float, WIDTH> d;
  const hn::CappedTag<float, 4> d4;
  const size_t lanes = hn::Lanes(d), lanes4 = hn::Lanes(d4);
  for (size_t k = 0; k < depth; ++k) {
    const T *row = from(k);
    if (k + kAhead < depth) {
      const T *ahead = from(k + kAhead);
      for (size_t i = 0; i < count; i += kLine) hwy::Prefetch(ahead + i);
    }
    float *to = out + k * PITCH;
    for (size_t first = 0; first < count; first += WIDTH, to += stride) {
      const size_t n = HWY_MIN(WIDTH, count - first);
      const T *items = row + first;
      size_t i = 0;
      for (; i + lanes <= n; i += lanes) store(d, load(d, items + i), to + i);
      for (; i + lanes4 <= n; i += lanes4) store(d4, load(d4, items + i), to + i);
      for (; i < n; ++i) to[i] = load1(items + i);
      for (; i < WIDTH; ++i) to[i] = 0;
    }
  }
}

#if HWY_TARGET == HWY_SCALAR
template <size_t WIDTH, size_t PITCH = WIDTH, class T>
void pack_columns(const Lines<T> &from, size_t count, size_t depth, float *out) {
  for (size_t k = 0; k < depth; ++k)
    for (size_t i = 0; i < WIDTH; ++i) out[k * PITCH + i] = i < count ? load1(from(i) + k) : 0;
}
#else
// Stores each 128-bit block of v at out, out + stride, ...
template <class D>
HWY_INLINE void store_blocks(D d, hn::Vec<D> v, float *out, size_t stride) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    hn::StoreU(v, d, out);
  } else {
    const hn::Half<D> half;
    store_blocks(half, hn::LowerHalf(half, v), out, stride);
    store_blocks(half, hn::UpperHalf(half, v), out + hn::MaxLanes(D()) / 8 * stride, stride);
  }
}

// Vectors of four items: in every 128-bit block, four inner values of one item become four items' values of one inner.
template <class D, class V>
HWY_INLINE void transpose_in_blocks(D d, V &i0, V &i1, V &i2, V &i3) {
  const hn::RepartitionToWide<D> d64;
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, i0, i1));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, i0, i1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, i2, i3));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, i2, i3));
  i0 = hn::BitCast(d, hn::InterleaveLower(d64, low01, low23));
  i1 = hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23));
  i2 = hn::BitCast(d, hn::InterleaveLower(d64, high01, high23));
  i3 = hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23));
}

// Four items, each a vector of inner values, to out[k * PITCH + 0..3].
template <size_t PITCH, class D>
HWY_INLINE void store_transposed(D d, hn::Vec<D> i0, hn::Vec<D> i1, hn::Vec<D> i2, hn::Vec<D> i3, float *out) {
  transpose_in_blocks(d, i0, i1, i2, i3);
  store_blocks(d, i0, out, 4 * PITCH);
  store_blocks(d, i1, out + PITCH, 4 * PITCH);
  store_blocks(d, i2, out + 2 * PITCH, 4 * PITCH);
  store_blocks(d, i3, out + 3 * PITCH, 4 * PITCH);
}

// A vector of 128-bit blocks: four values each, `step` apart.
template <class D, class T>
HWY_INLINE hn::Vec<D> load_blocks(D d, const T *from, size_t step) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return load(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_blocks(half, from + hn::MaxLanes(D()) / 8 * step, step), load_blocks(half, from, step));
  }
}

// As many items as there are lanes, `step` apart, four inner values of all at a time: loads collect them, so whole vectors
// are stored.
template <size_t PITCH, class T>
HWY_INLINE void pack_lanes(const T *from, size_t step, size_t depth, float *out) {
  const Lanes d;
  for (size_t k = 0; k < depth; k += 4, from += 4, out += 4 * PITCH) {
    auto i0 = load_blocks(d, from, 4 * step), i1 = load_blocks(d, from + step, 4 * step);
    auto i2 = load_blocks(d, from + 2 * step, 4 * step), i3 = load_blocks(d, from + 3 * step, 4 * step);
    transpose_in_blocks(d, i0, i1, i2, i3);
    hn::StoreU(i0, d, out), hn::StoreU(i1, d, out + PITCH);
    hn::StoreU(i2, d, out + 2 * PITCH), hn::StoreU(i3, d, out + 3 * PITCH);
  }
}

// Each item's inner values side by side: a transposition. Items past the last repeat it, and are cleared at the end.
template <size_t WIDTH, size_t PITCH = WIDTH, class T>
HWY_NOINLINE void pack_columns(const Lines<T> &from, size_t count, size_t depth, float *out) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  size_t k = 0;
  if constexpr (WIDTH % hn::MaxLanes(Lanes()) == 0)
    if (count == WIDTH && !from.order) {
      k = depth - depth % 4;
      for (size_t i = 0; i < WIDTH; i += lanes) pack_lanes<PITCH>(from.data + i * from.step, from.step, k, out + i);
      if (k == depth) return;
    }
  const T *items[WIDTH];
  for (size_t i = 0; i < WIDTH; ++i) items[i] = from(HWY_MIN(i, count - 1));
  for (; k + lanes <= depth; k += lanes) {
    // The last group overlaps the one before where 4 does not divide WIDTH.
#pragma GCC unroll 8
    for (size_t i = 0; i < WIDTH; i += 4) {
      const size_t g = HWY_MIN(i, WIDTH - 4);
      store_transposed<PITCH>(d, load(d, items[g] + k), load(d, items[g + 1] + k), load(d, items[g + 2] + k),
                              load(d, items[g + 3] + k), out + k * PITCH + g);
    }
  }
  for (; k < depth; ++k)
    for (size_t i = 0; i < WIDTH; ++i) out[k * PITCH + i] = load1(items[i] + k);
  if (count < WIDTH)
    for (k = 0; k < depth; ++k)
      for (size_t i = count; i < WIDTH; ++i) out[k * PITCH + i] = 0;
}
#endif

// `count` items, a line each, as panels of WIDTH, each panel `stride` floats after the last one.
template <size_t WIDTH, class T>
HWY_INLINE void pack_lines(const Lines<T> &items, size_t count, size_t depth, float *out, size_t stride) {
  for (size_t i = 0; i < count; i += WIDTH, out += stride)
    pack_columns<WIDTH>(items.at(i, 0), HWY_MIN(WIDTH, count - i), depth, out);
}

// The same, however the items lie.
template <size_t WIDTH, class T>
HWY_INLINE void pack_panels(const Items<T> &from, size_t count, size_t depth, float *out, size_t stride) {
  if (from.item == 1)
    pack_rows<WIDTH>(Lines<T>{from.data, from.inner}, count, depth, out, stride);
  else
    pack_lines<WIDTH>(Lines<T>{from.data, from.item}, count, depth, out, stride);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
