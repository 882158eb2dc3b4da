// Philox 4x32-10 (Salmon et al., SC 2011), several counters per vector: the random stream of kernels/README.md.
// Included once per SIMD target, like simd.h.
#include "kernels/common/cpu/simd.h"

#if defined(CONSILIUM_PHILOX_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_PHILOX_H
#undef CONSILIUM_PHILOX_H
#else
#define CONSILIUM_PHILOX_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// The stream of one op: key = random[0..1], counter = (block, 0, sequence + random[2], 0).
struct Philox {
  uint32_t key[2] = {}, sequence = 0;

  Philox() = default;
  Philox(const uint32_t *random, uint32_t sequence_of_op)
      : key{random[0], random[1]}, sequence(sequence_of_op + random[2]) {}

  // Words 4 * block ... of the stream, `blocks` times four of them; `words` has room for whole vectors more.
  HWY_INLINE void fill(uint32_t block, uint32_t blocks, uint32_t *words) const {
    const hn::ScalableTag<uint32_t> d;
    const uint32_t lanes = static_cast<uint32_t>(hn::Lanes(d));
    for (uint32_t b = 0; b < blocks; b += lanes) {
      auto c0 = hn::Iota(d, block + b), c1 = hn::Zero(d), c2 = hn::Set(d, sequence), c3 = hn::Zero(d);
      uint32_t k0 = key[0], k1 = key[1];
      for (int round = 0; round < 10; ++round) {
        const auto m0 = hn::Set(d, 0xD2511F53u), m1 = hn::Set(d, 0xCD9E8D57u);
        const auto high0 = high_half(d, c0, m0), high1 = high_half(d, c2, m1);
        const auto low0 = hn::Mul(c0, m0), low1 = hn::Mul(c2, m1);
        c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
        c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
        c1 = low1, c3 = low0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
      }
      hn::StoreInterleaved4(c0, c1, c2, c3, d, words + 4 * b);
    }
  }

 private:
  // Upper 32 bits of the products of unsigned lanes.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V high_half(D d, V a, V b) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(d, static_cast<uint32_t>((static_cast<uint64_t>(hn::GetLane(a)) * hn::GetLane(b)) >> 32));
#else
    const hn::RepartitionToWide<D> wide;
    const auto even = hn::BitCast(d, hn::ShiftRight<32>(hn::MulEven(a, b)));
    const auto odd = hn::BitCast(d, hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))),
                                                hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, b)))));
    return hn::OddEven(odd, even);
#endif
  }
};

// 24 random bits as a number in [0, 1).
template <class D, class DU = hn::RebindToUnsigned<D>>
HWY_INLINE hn::Vec<D> uniform(D d, hn::Vec<DU> word) {
  const hn::RebindToSigned<D> di;
  return hn::Mul(hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<8>(word))), hn::Set(d, 1.0f / 16777216.0f));
}

// Random words of n elements from `position` on, modulo 2^32, handed to body(first, run, words) in runs of at most 256:
// those of elements position + first ... A whole vector may be read from any word of a run.
template <class Body>
HWY_INLINE void for_random(const Philox &stream, uint32_t position, size_t n, Body body) {
  constexpr size_t kRun = 256;
  HWY_ALIGN uint32_t words[kRun + 4 + 4 * hn::MaxLanes(hn::ScalableTag<uint32_t>())];
  for (size_t first = 0; first < n;) {
    // A run ends at 2^32, where the counters start again.
    const uint32_t element = position + static_cast<uint32_t>(first), skipped = element & 3;
    const size_t run = HWY_MIN(HWY_MIN(kRun, n - first), (size_t{1} << 32) - element);
    stream.fill(element >> 2, static_cast<uint32_t>(skipped + run + 3) / 4, words);
    body(first, run, words + skipped);
    first += run;
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
