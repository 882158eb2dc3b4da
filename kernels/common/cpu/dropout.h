// Which elements dropout drops, for every kernel that has it. Included once per SIMD target, like simd.h.
#include "kernels/common/cpu/philox.h"
#include "kernels/common/cpu/rows.h"

#if defined(CONSILIUM_DROPOUT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_DROPOUT_H
#undef CONSILIUM_DROPOUT_H
#else
#define CONSILIUM_DROPOUT_H
#endif

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Dropout {
  Philox stream;
  // Dropped where (word >> 8) < threshold: (word >> 8) 2^-24 < rate in integers, exact for an f32 rate.
  uint32_t threshold = 0;
  // What survivors are multiplied by.
  float keep = 1.0f;

  // Drops nothing.
  Dropout() = default;
  // `random` may be null where rate is 0.
  Dropout(const uint32_t *random, uint32_t sequence, float rate) {
    if (rate == 0) return;
    stream = Philox(random, sequence);
    threshold = static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * 16777216.0));
    keep = 1.0f / (1.0f - rate);
  }

  explicit operator bool() const { return threshold != 0; }

  bool drops(uint32_t word) const { return word >> 8 < threshold; }
  template <class D>
  HWY_INLINE hn::Mask<D> drops(D d, hn::Vec<D> words) const {
    return hn::Lt(hn::ShiftRight<8>(words), hn::Set(d, threshold));
  }

  // y[i] = keep x[i] or 0, for n elements from `position` of the stream on, modulo 2^32. y may be x.
  template <class T>
  HWY_INLINE void apply(const T *x, uint32_t position, size_t n, T *y) const {
    const F32 d;
    const hn::RebindToUnsigned<F32> du;
    const auto factor = hn::Set(d, keep);
    for_random(stream, position, n, [&](size_t first, size_t run, const uint32_t *words) HWY_ATTR {
      for_row(d, run, [&](size_t i, auto part) HWY_ATTR {
        const auto dropped = hn::RebindMask(d, drops(du, hn::LoadU(du, words + i)));
        part.store(hn::IfThenZeroElse(dropped, hn::Mul(part.load(x + first + i), factor)), y + first + i);
      });
    });
  }

  // Calls drop(j) for the j in [begin, end) whose element of the stream, position + j modulo 2^32, is dropped. Few are,
  // so their bits are walked rather than every weight multiplied.
  template <class Drop>
  HWY_INLINE void each_dropped(uint32_t position, uint32_t begin, uint32_t end, Drop drop) const {
    const hn::ScalableTag<uint32_t> d;
    const size_t lanes = hn::Lanes(d);
    for_random(stream, position + begin, end - begin, [&](size_t first, size_t run, const uint32_t *words) HWY_ATTR {
      for (size_t i = 0; i < run; i += lanes) {
        uint8_t bytes[8] = {};
        hn::StoreMaskBits(d, drops(d, hn::LoadU(d, words + i)), bytes);
        for (uint32_t bits = bytes[0] | bytes[1] << 8; bits != 0; bits &= bits - 1) {
          const size_t word = i + static_cast<uint32_t>(__builtin_ctz(bits));
          if (word < run) drop(begin + static_cast<uint32_t>(first + word));
        }
      }
    });
  }
};

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
