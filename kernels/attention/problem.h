// The shapes of one attention call, and the rows and keys that a cell works on (the layout is told in kernels.ts).
// Included once per SIMD target, like simd.h.
//
// A cell owns rows of one key/value head: its query heads one after the other, so row n is query n % L of head
// g H/G + n / L. Keys that the padding mask excludes are left out when keys are packed: they cost nothing afterwards.
#if defined(CONSILIUM_ATTENTION_PROBLEM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ATTENTION_PROBLEM_H
#undef CONSILIUM_ATTENTION_PROBLEM_H
#else
#define CONSILIUM_ATTENTION_PROBLEM_H
#endif

#include <algorithm>

#include "hwy/cache_control.h"
#include "kernels/attention/tile.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE::attention {

struct Params {
  uint32_t B, L, S, H, G, D, P, causal;
  float scale, dropout;
  uint32_t sequence, hasMask, hasPrefix, qPitch, kvPitch, qOffset, kOffset, vOffset, kvCapacity;
};

constexpr float LOG2E = 1.44269504088896341f, LN2 = 0.693147180559945309f;
// Cells per key/value head, as in kernels.ts: each packs keys and values for itself, so several only where heads are
// too few to occupy a machine.
HWY_INLINE size_t splits(const Params &p) {
  const size_t groups = std::max<size_t>(1, static_cast<size_t>(p.B) * p.G);
  const size_t rows = static_cast<size_t>(p.L) * (p.H / p.G);
  return std::max<size_t>(1, std::min((16 + groups - 1) / groups, (rows + 127) / 128));
}

// Scores are kept in base 2. A hidden one lies below the floor of the running maximum, so its weight is exactly 0 even
// where a query sees nothing; no infinity takes part.
constexpr float HIDDEN = -1e30f, FLOOR = -1e29f, NO_KEYS = 1e30f;

// Keys that packing prefetches before their turn.
constexpr int32_t AHEAD = 8;

// Queries of a block: whole vectors, 64 at most.
constexpr size_t BLOCK_QUERIES = 64;

HWY_INLINE size_t pad(size_t n) {
  const size_t lanes = hn::Lanes(F32());
  return (n + lanes - 1) / lanes * lanes;
}

// Hands out 64-byte aligned arrays of one workspace; measured first with a null base.
struct Arena {
  char *base;
  size_t used = 0;
  template <class T>
  T *take(size_t n) {
    T *p = base ? reinterpret_cast<T *>(base + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

// Where one row is: its first elements in q and dq, in y and dy, in lse; the last key number it sees, -1 if none; the
// element of the random stream of its first key.
struct Row {
  size_t q, y, lse;
  int32_t last;
  uint32_t position;
};

// The rows of key/value head g in batch row b.
struct Group {
  const Params &p;
  size_t b, g;

  size_t rows() const { return static_cast<size_t>(p.L) * (p.H / p.G); }
  // Keys are numbered 0 .. P + S, the prefix first. Where one starts: in k and v, less their offsets; in the prefix.
  size_t key(size_t n) const { return (b * p.kvCapacity + n - p.P) * p.kvPitch + g * p.D; }
  size_t prefix(size_t n) const { return (n * p.G + g) * p.D; }

  // Calls f(i, row) for rows [begin, end), i from 0. Steps from head to head: divisions would cost small blocks dear.
  template <class F>
  HWY_INLINE void each_row(size_t begin, size_t end, F f) const {
    if (begin == end) return;
    const int32_t keys = static_cast<int32_t>(p.P + p.S), prefix = static_cast<int32_t>(p.P);
    size_t head = g * (p.H / p.G) + begin / p.L, query = begin % p.L;
    for (size_t i = 0; i < end - begin; ++i) {
      const size_t token = b * p.L + query, lse = (b * p.H + head) * p.L + query;
      const int32_t own = keys + static_cast<int32_t>(query) - static_cast<int32_t>(p.L);
      f(i, Row{p.qOffset + token * p.qPitch + head * p.D, (token * p.H + head) * p.D, lse,
               p.causal ? std::max(own, prefix - 1) : keys - 1, static_cast<uint32_t>(lse * (p.P + p.S))});
      if (++query == p.L) query = 0, ++head;
    }
  }

  // The blocks of [begin, end): as few as 64 queries allow, of about as many vectors each. f(first row, rows, width).
  template <class F>
  HWY_INLINE void each_block(size_t begin, size_t end, F f) const {
    const size_t lanes = hn::Lanes(F32()), vectors = (end - begin + lanes - 1) / lanes;
    const size_t blocks = (vectors * lanes + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
    for (size_t i = 0; i < blocks; ++i) {
      const size_t from = i * vectors / blocks, to = (i + 1) * vectors / blocks;
      const size_t row = begin + from * lanes, width = (to - from) * lanes;
      f(row, std::min(width, end - row), width);
    }
  }
};

// The keys and values that a cell can see, as rows of f32 in the order of their numbers `at`.
struct Keys {
  size_t count, pitch;
  int32_t *at;                 // [count]
  int32_t *slot;               // [P + S] which row key n is, -1 where it is none
  const float *k, *v;          // [count], rows of D every `pitch`
  float *packed_k, *packed_v;  // [P + S, pad(D)]

  static Keys place(Arena &arena, const Params &p) {
    const size_t n = static_cast<size_t>(p.P) + p.S, packed = n * pad(p.D);
    return {0,       0,       arena.take<int32_t>(n),    arena.take<int32_t>(n),
            nullptr, nullptr, arena.take<float>(packed), arena.take<float>(packed)};
  }

  // Keys 0 .. last where they lie: rows not padded, and pages apart, so for few queries only. False if that cannot be.
  template <class T>
  bool borrow(const Group &group, int32_t last, const T *keys, const T *values) {
    const Params &p = group.p;
    if constexpr (std::is_same<T, float>()) {
      if (p.P > 0 || p.hasMask) return false;
      count = last + 1, pitch = p.kvPitch;
      k = keys + group.key(0), v = values + group.key(0);
      for (int32_t n = 0; n < static_cast<int32_t>(p.S); ++n) at[n] = n, slot[n] = n <= last ? n : -1;
      return true;
    }
    return false;
  }

  // Fetches rows about to be read. Rows of one head lie pages apart, out of reach of the hardware's prefetcher.
  void fetch(const float *rows, size_t from, size_t to, size_t D) const {
    for (size_t n = from; n < std::min(to, count); ++n)
      for (size_t c = 0; c < D; c += 16) hwy::Prefetch(rows + n * pitch + c);
  }

  // Packs keys 0 .. last that the mask leaves; `keys` and `values` point behind their offsets.
  template <class T>
  void pack(const Group &group, int32_t last, const T *keys, const T *values, const int32_t *mask, const T *prefix_keys,
            const T *prefix_values) {
    const Params &p = group.p;
    const int32_t total = p.P + p.S, prefix = p.P;
    count = 0, pitch = pad(p.D), k = packed_k, v = packed_v;
    for (int32_t n = 0; n < total; ++n) {
      const bool own = n >= prefix;
      const bool kept = n <= last && (!own || !p.hasMask || mask[group.b * p.kvCapacity + n - prefix] != 0);
      slot[n] = kept ? static_cast<int32_t>(count) : -1;
      if (!kept) continue;
      if (const int32_t ahead = n + AHEAD; ahead < total && ahead >= prefix) {
        const size_t next = group.key(ahead);
        for (size_t c = 0; c < p.D; c += 64 / sizeof(T))
          hwy::Prefetch(keys + next + c), hwy::Prefetch(values + next + c);
      }
      widen(own ? keys + group.key(n) : prefix_keys + group.prefix(n), p.D, 1.0f, packed_k + count * pitch, pitch);
      widen(own ? values + group.key(n) : prefix_values + group.prefix(n), p.D, 1.0f, packed_v + count * pitch, pitch);
      at[count++] = n;
    }
  }

  // How many packed keys have numbers up to n.
  size_t up_to(int32_t n) const { return std::upper_bound(at, at + count, n) - at; }
};

struct Range {
  int32_t least, greatest;
};
inline Range least_and_greatest(const int32_t *values, size_t n) {
  Range range = {values[0], values[0]};
  for (size_t i = 1; i < n; ++i)
    range.least = std::min(range.least, values[i]), range.greatest = std::max(range.greatest, values[i]);
  return range;
}

// Scores of packed keys [from, to) that a query does not see become HIDDEN. last[j]: the last key number of column j.
HWY_INLINE void hide(float *scores, size_t width, const Keys &keys, size_t from, size_t to, const int32_t *last,
                     int32_t last_seen_by_all) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  for (size_t j = from; j < to; ++j) {
    if (keys.at[j] <= last_seen_by_all) continue;
    const auto number = hn::Set(di, keys.at[j]);
    for (size_t c = 0; c < width; c += hn::Lanes(d)) {
      float *score = scores + (j - from) * width + c;
      const auto hidden = hn::RebindMask(d, hn::Gt(number, hn::Load(di, last + c)));
      hn::Store(hn::IfThenElse(hidden, hn::Set(d, HIDDEN), hn::Load(d, score)), d, score);
    }
  }
}

}  // namespace consilium::HWY_NAMESPACE::attention
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
