// quantized-matmul/weight (cpu): a quantised matrix, read as f32
// Math      w[n,k] = scale[n, k / group] q[n,k]
// Shapes    words [N,W]: each row K integers of 4 or 8 bits, two's complement, then K / group scales, bf16; format.ts
// Method    as operands of gemm.h the matrix is widened while it is packed: the micro-kernel sees f32 panels
// Limits    K a multiple of the group, which is 32 or 64: no vector of 16 crosses a group
#include "kernels/common/cpu/gemm.h"

#if defined(CONSILIUM_QUANTIZED_WEIGHT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_QUANTIZED_WEIGHT_H
#undef CONSILIUM_QUANTIZED_WEIGHT_H
#else
#define CONSILIUM_QUANTIZED_WEIGHT_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

using WordLanes = hn::RebindToUnsigned<Lanes>;

// Scale g of a row's pairs.
HWY_INLINE float scale_at(const uint32_t *pairs, size_t g) {
  const hn::CappedTag<float, 1> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const uint32_t pair = pairs[g / 2];
  return hn::GetLane(hn::BitCast(d, hn::Set(du, g % 2 ? pair & 0xFFFF0000u : pair << 16)));
}

struct QuantizedMatrix {
  const uint32_t *words;  // [N,W]
  size_t W, K, bits, group;

  // Which group an element is in: divisions take longer than the multiply-adds between two of them.
  HWY_INLINE size_t group_of(size_t k) const { return k >> (group == 64 ? 6 : 5); }

  HWY_INLINE const uint32_t *row(size_t n) const { return words + n * W; }
  HWY_INLINE const uint32_t *pairs(size_t n) const { return row(n) + K * bits / 32; }

  // Elements (n, k) and after it, a vector of them; k is a multiple of the lanes.
  HWY_INLINE hn::Vec<Lanes> load(const Lanes d, size_t n, size_t k) const {
    const auto scale = hn::Set(d, scale_at(pairs(n), group_of(k)));
    return hn::Mul(bits == 4 ? load4(d, row(n), k) : load8(d, row(n), k), scale);
  }

  static HWY_INLINE hn::Vec<Lanes> load8(const Lanes d, const uint32_t *row, size_t k) {
    const hn::Rebind<int8_t, Lanes> d8;
    const hn::RebindToSigned<Lanes> di;
    return hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, reinterpret_cast<const int8_t *>(row) + k)));
  }

  static HWY_INLINE hn::Vec<Lanes> load4(const Lanes d, const uint32_t *row, size_t k) {
    constexpr size_t kLanes = hn::MaxLanes(Lanes());
    const WordLanes du;
    const hn::RebindToSigned<Lanes> di;
    // Lane i has the word of its element, whose four bits are then moved to the top, and down again with their sign.
    auto words = hn::Set(du, row[k / 8] >> 4 * (k % 8));
    if constexpr (kLanes == 16) words = hn::IfThenElse(hn::FirstN(du, 8), words, hn::Set(du, row[k / 8 + 1]));
    const auto nibble = hn::And(hn::Iota(du, 0), hn::Set(du, 7));
    const auto top = hn::Shl(words, hn::Sub(hn::Set(du, 28), hn::ShiftLeft<2>(nibble)));
    return hn::ConvertTo(d, hn::ShiftRight<28>(hn::BitCast(di, top)));
  }
};

// Rows of the matrix as items, K inside: op(b) = wᵀ, as the forward multiplies.
struct QuantizedRows {
  QuantizedMatrix matrix;
  size_t n, k;
  HWY_INLINE QuantizedRows at(size_t i, size_t inner) const { return {matrix, n + i, k + inner}; }
};

// Columns of the matrix as items, N inside: op(b) = w, as the gradient of x multiplies.
struct QuantizedColumns {
  QuantizedMatrix matrix;
  size_t n, k;
  HWY_INLINE QuantizedColumns at(size_t i, size_t inner) const { return {matrix, n + inner, k + i}; }
};

// `count` items as panels of WIDTH, `stride` floats apart. `depth` and where it begins are multiples of 32 (block_depth, K).
template <size_t WIDTH>
HWY_NOINLINE void pack_panels(const QuantizedRows &from, size_t count, size_t depth, float *out, size_t stride) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  for (size_t first = 0; first < count; first += WIDTH, out += stride) {
    const size_t n = HWY_MIN(WIDTH, count - first);
    const auto item = [&](size_t i) HWY_ATTR { return from.n + first + HWY_MIN(i, n - 1); };
    for (size_t k = 0; k < depth; k += lanes) {
#if HWY_TARGET == HWY_SCALAR
      for (size_t i = 0; i < WIDTH; ++i)
        out[k * WIDTH + i] = i < n ? hn::GetLane(from.matrix.load(d, item(i), from.k + k)) : 0;
#else
      for (size_t i = 0; i < WIDTH; i += 4)
        store_transposed<WIDTH>(d, from.matrix.load(d, item(i), from.k + k),
                                from.matrix.load(d, item(i + 1), from.k + k),
                                from.matrix.load(d, item(i + 2), from.k + k),
                                from.matrix.load(d, item(i + 3), from.k + k), out + k * WIDTH + i);
#endif
    }
    if (n < WIDTH)
      for (size_t k = 0; k < depth; ++k) std::fill(out + k * WIDTH + n, out + (k + 1) * WIDTH, 0.0f);
  }
}

template <size_t WIDTH>
HWY_NOINLINE void pack_panels(const QuantizedColumns &from, size_t count, size_t depth, float *out, size_t stride) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  for (size_t k = 0; k < depth; ++k) {
    float *to = out + k * WIDTH;
    // K and WIDTH are multiples of the lanes: a panel is whole or absent.
    for (size_t first = 0; first < count; first += WIDTH, to += stride)
      for (size_t i = 0; i < WIDTH; i += lanes)
        hn::StoreU(first + i < count ? from.matrix.load(d, from.n + k, from.k + first + i) : hn::Zero(d), d, to + i);
  }
}

// An operand for multiply_cell: each cell packs what it needs.
template <class Items>
struct QuantizedOperand {
  Items items;
  const float *packed = nullptr;
  size_t packed_depth = 0;

  template <size_t WIDTH>
  HWY_INLINE void pack(size_t item, size_t k, size_t count, size_t depth, float *out, size_t stride) const {
    pack_panels<WIDTH>(items.at(item, k), count, depth, out, stride);
  }
  // Nothing is asked for ahead: a block of integers is an eighth or a quarter of one of floats.
  HWY_INLINE void prefetch(size_t, size_t, size_t, size_t, size_t, size_t) const {}
};

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
