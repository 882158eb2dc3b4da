// Which elements of the random stream of an op are dropped (kernels/README.md), several counters per vector.
// Included once per SIMD target, like simd.h.
#if defined(CONSILIUM_ATTENTION_DROPOUT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ATTENTION_DROPOUT_H
#undef CONSILIUM_ATTENTION_DROPOUT_H
#else
#define CONSILIUM_ATTENTION_DROPOUT_H
#endif

#include <cmath>

#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Dropout {
  uint32_t key[2], sequence;
  // Dropped where (word >> 8) < threshold: the integer form of (word >> 8) 2^-24 < rate, exact for an f32 rate.
  uint32_t threshold;
  // What survivors are multiplied by.
  float keep;

  Dropout(const uint32_t *random, uint32_t sequence_of_op, float rate)
      : key{random[0], random[1]},
        sequence(sequence_of_op + random[2]),
        threshold(static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * 16777216.0))),
        keep(1.0f / (1.0f - rate)) {}

  explicit operator bool() const { return threshold != 0; }

  // Calls drop(j) for each j in [begin, end) whose element, position + j, is dropped; not in order.
  template <class Drop>
  HWY_INLINE void each_dropped(uint32_t position, uint32_t begin, uint32_t end, Drop drop) const {
    // One counter per 64-bit lane: MulEven reads the low halves and leaves both halves of the product in place.
    const hn::ScalableTag<uint64_t> d64;
    const uint32_t lanes = static_cast<uint32_t>(hn::Lanes(d64));
    const auto low = hn::Set(d64, 0xFFFFFFFFu);
    const auto multiply = [&](auto x, uint32_t by) HWY_ATTR {
#if HWY_TARGET == HWY_SCALAR
      return hn::Set(d64, (hn::GetLane(x) & 0xFFFFFFFFu) * by);
#else
      const hn::Repartition<uint32_t, decltype(d64)> d32;
      return hn::MulEven(hn::BitCast(d32, x), hn::BitCast(d32, hn::Set(d64, by)));
#endif
    };
    const auto limit = hn::Set(d64, threshold);

    const uint32_t first = position + begin, count = end - begin, skipped = first & 3;
    for (uint32_t offset = 0; offset < skipped + count; offset += 4 * lanes) {
      auto c0 = hn::And(hn::Iota(d64, (first >> 2) + offset / 4), hn::Set(d64, 0x3FFFFFFFu));
      auto c1 = hn::Zero(d64), c2 = hn::Set(d64, sequence), c3 = hn::Zero(d64);
      uint32_t k0 = key[0], k1 = key[1];
      for (int round = 0; round < 10; ++round) {
        const auto p0 = multiply(c0, 0xD2511F53u), p1 = multiply(c2, 0xCD9E8D57u);
        c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(d64, k0));
        c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(d64, k1));
        c1 = p1, c3 = p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
      }
      const auto word = [&](auto c, uint32_t w) HWY_ATTR {
        uint8_t bytes[8] = {};
        hn::StoreMaskBits(d64, hn::Lt(hn::ShiftRight<8>(hn::And(c, low)), limit), bytes);
        for (uint32_t bits = bytes[0]; bits != 0; bits &= bits - 1) {
          const uint32_t element = offset + 4 * static_cast<uint32_t>(__builtin_ctz(bits)) + w;
          if (element - skipped < count) drop(begin + element - skipped);
        }
      };
      word(c0, 0), word(c1, 1), word(c2, 2), word(c3, 3);
    }
  }
};

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
