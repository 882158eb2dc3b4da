// gemm-pack (cpu): operands of a product, laid out as the micro-kernel reads them
// Math      out[k * WIDTH + i] = source(item i, inner k), zero for items past the last
// Method    An item is a row of op(a) or a column of op(b). Where items lie side by side in memory, each k is a copy;
//           where an item's inner values do, blocks of 4 items by one vector are transposed inside 128-bit lanes,
//           which leaves four items of one k in each lane. bf16 and f16 are widened on the way.
// Limits    WIDTH >= 4 where there are vectors
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

#if HWY_TARGET != HWY_SCALAR
// Stores each 128-bit block of v at out, out + stride, ...; only the first n.
template <class D>
HWY_INLINE void store_blocks(D d, hn::Vec<D> v, float *out, size_t stride, size_t n) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    if (n) hn::StoreU(v, d, out);
  } else {
    const hn::Half<D> half;
    constexpr size_t kBlocks = hn::MaxLanes(D()) / 8;
    store_blocks(half, hn::LowerHalf(half, v), out, stride, n < kBlocks ? n : kBlocks);
    if (n > kBlocks) store_blocks(half, hn::UpperHalf(half, v), out + kBlocks * stride, stride, n - kBlocks);
  }
}

// Four items, each `lanes` inner values long, to out[k * WIDTH + 0..3]; the first n inner values.
template <size_t WIDTH, class D>
HWY_INLINE void store_transposed(D d, hn::Vec<D> i0, hn::Vec<D> i1, hn::Vec<D> i2, hn::Vec<D> i3, float *out, size_t n) {
  const hn::RepartitionToWide<D> d64;
  const auto pair = [&](auto v) HWY_ATTR { return hn::BitCast(d64, v); };
  const auto low01 = pair(hn::InterleaveLower(d, i0, i1)), high01 = pair(hn::InterleaveUpper(d, i0, i1));
  const auto low23 = pair(hn::InterleaveLower(d, i2, i3)), high23 = pair(hn::InterleaveUpper(d, i2, i3));
  const auto blocks = [n](size_t j) { return n > j ? (n - j + 3) / 4 : 0; };
  store_blocks(d, hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), out, 4 * WIDTH, blocks(0));
  store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), out + WIDTH, 4 * WIDTH, blocks(1));
  store_blocks(d, hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), out + 2 * WIDTH, 4 * WIDTH, blocks(2));
  store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), out + 3 * WIDTH, 4 * WIDTH, blocks(3));
}
#endif

// Items side by side: one row of WIDTH values per k.
template <size_t WIDTH, class T>
HWY_NOINLINE void pack_rows(const Items<T> &from, size_t count, size_t depth, float *out) {
  const hn::CappedTag<float, HWY_MIN(16, WIDTH)> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t k = 0; k < depth; ++k, out += WIDTH) {
    const T *row = from.data + k * from.inner;
    size_t i = 0;
    for (; i + lanes <= count; i += lanes) store(d, load(d, row + i), out + i);
    for (; i < count; ++i) out[i] = load1(row + i);
    for (; i < WIDTH; ++i) out[i] = 0;
  }
}

// Each item's inner values side by side: a transposition.
template <size_t WIDTH, class T>
HWY_NOINLINE void pack_columns(const Items<T> &from, size_t count, size_t depth, float *out) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t k = 0; k < depth; ++k)
    for (size_t i = 0; i < WIDTH; ++i) *out++ = i < count ? load1(from.at(i, k).data) : 0;
#else
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  for (size_t k = 0; k < depth; k += lanes, out += lanes * WIDTH) {
    const size_t n = HWY_MIN(lanes, depth - k);
    const auto values = [&](size_t i) HWY_ATTR {
      if (i >= count) return hn::Zero(d);
      const T *p = from.data + i * from.item + k;
      return n == lanes ? load(d, p) : load_n(d, p, n);
    };
    // The last group overlaps the one before where 4 does not divide WIDTH.
    for (size_t i = 0; i < WIDTH; i += 4) {
      const size_t g = HWY_MIN(i, WIDTH - 4);
      store_transposed<WIDTH>(d, values(g), values(g + 1), values(g + 2), values(g + 3), out + g, n);
    }
  }
#endif
}

template <size_t WIDTH, class T>
HWY_INLINE void pack_panel(const Items<T> &from, size_t count, size_t depth, float *out) {
  if (from.item == 1) pack_rows<WIDTH>(from, count, depth, out);
  else pack_columns<WIDTH>(from, count, depth, out);
}

// `count` items as panels of WIDTH, each panel `stride` floats after the last one.
template <size_t WIDTH, class T>
HWY_INLINE void pack_panels(const Items<T> &from, size_t count, size_t depth, float *out, size_t stride) {
  for (size_t i = 0; i < count; i += WIDTH, out += stride)
    pack_panel<WIDTH>(from.at(i, 0), HWY_MIN(WIDTH, count - i), depth, out);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
