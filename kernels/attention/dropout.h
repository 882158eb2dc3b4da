// Which softmax weights of a row are dropped. Included once per SIMD target, like simd.h.
#include "kernels/common/cpu/philox.h"

#if defined(CONSILIUM_ATTENTION_DROPOUT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ATTENTION_DROPOUT_H
#undef CONSILIUM_ATTENTION_DROPOUT_H
#else
#define CONSILIUM_ATTENTION_DROPOUT_H
#endif

#include <algorithm>
#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE::attention {

struct Dropout {
  Philox stream;
  // Dropped where (word >> 8) < threshold: (word >> 8) 2^-24 < rate in integers, exact for an f32 rate.
  uint32_t threshold;
  // What survivors are multiplied by.
  float keep;

  Dropout(const uint32_t *random, uint32_t sequence, float rate)
      : stream(random, sequence),
        threshold(static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * 16777216.0))),
        keep(1.0f / (1.0f - rate)) {}

  explicit operator bool() const { return threshold != 0; }

  // Calls drop(j) for the j in [begin, end) whose element of the stream, position + j modulo 2^32, is dropped. Few are,
  // so their bits are walked rather than every weight multiplied.
  template <class Drop>
  HWY_INLINE void each_dropped(uint32_t position, uint32_t begin, uint32_t end, Drop drop) const {
    const hn::ScalableTag<uint32_t> d;
    const uint32_t lanes = static_cast<uint32_t>(hn::Lanes(d));
    constexpr uint32_t RUN = 128;
    HWY_ALIGN uint32_t words[RUN + 8 * hn::MaxLanes(d)];
    const auto limit = hn::Set(d, threshold);
    for (uint32_t j = begin; j < end;) {
      const uint32_t element = position + j, skipped = element & 3, left = 0u - element;
      const uint32_t n = std::min({RUN - skipped, end - j, left == 0 ? RUN : left});
      stream.fill(element >> 2, (skipped + n + 3) / 4, words);
      for (uint32_t i = 0; i < skipped + n; i += lanes) {
        const auto dropped = hn::Lt(hn::ShiftRight<8>(hn::Load(d, words + i)), limit);
        uint8_t bytes[8] = {};
        hn::StoreMaskBits(d, dropped, bytes);
        for (uint32_t bits = bytes[0] | bytes[1] << 8; bits != 0; bits &= bits - 1) {
          const uint32_t word = i + static_cast<uint32_t>(__builtin_ctz(bits));
          if (word - skipped < n) drop(j + word - skipped);
        }
      }
      j += n;
    }
  }
};

}  // namespace consilium::HWY_NAMESPACE::attention
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
