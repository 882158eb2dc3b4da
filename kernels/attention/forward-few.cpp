// attention/forward where few rows share a key/value head: decoding with a cache of keys (cpu)
// Math      as forward.cpp
// Shapes    as forward.cpp; partial [B,cells,H,L,D+2] f32 in scratch: unnormalised y, maximum, sum
// Method    a cell streams its tokens of k and v once, in the order of memory, all heads of a token together. Per 64
//           tokens: scores = q·k; running maximum and sum of each row; then y += weights v. Scores and values go four
//           tokens at a time: the sums of four vectors cost little more than those of one. Heads of at most 8 values
//           use vectors of 8.
// Launch    attention_forward_few: one cell per (b, 128 keys); attention_forward_few_join, one cell per b, where
//           there are several cells of keys: joined in order
// Numerics  as forward.cpp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/forward-few.cpp"
#include "hwy/foreach_target.h"
#include "kernels/attention/problem.h"
#include "kernels/common/cpu/dropout.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {
namespace attention::few {

// As in kernels.ts.
constexpr size_t CELL_KEYS = 128;
constexpr size_t TILE_KEYS = 64;

inline size_t key_cells(const Params &p) {
  return std::max<size_t>(1, (static_cast<size_t>(p.P) + p.S + CELL_KEYS - 1) / CELL_KEYS);
}

// The running softmax of one row over the keys of a cell.
struct State {
  Row row;
  float maximum, sum;
};

// The visible keys of a tile, head 0 of each; the others follow it.
template <class T>
struct Tile {
  size_t count;
  uint32_t number[TILE_KEYS];
  const T *k[TILE_KEYS], *v[TILE_KEYS];
};

// Turns the scores of a tile into weights, and returns what earlier sums are to be multiplied by.
HWY_INLINE float soften(float *scores, State &state) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  auto highest = hn::Set(d, state.maximum);
  for (size_t j = 0; j < TILE_KEYS; j += lanes) highest = hn::Max(highest, hn::Load(d, scores + j));
  const auto maximum = hn::MaxOfLanes(d, highest);
  auto sum = hn::Zero(d);
  for (size_t j = 0; j < TILE_KEYS; j += lanes) {
    const auto weight = exp2_negative(d, hn::Sub(hn::Load(d, scores + j), maximum));
    sum = hn::Add(sum, weight);
    hn::Store(weight, d, scores + j);
  }
  const float correction = hn::GetLane(exp2_negative(d, hn::Sub(hn::Set(d, state.maximum), maximum)));
  state.maximum = hn::GetLane(maximum);
  state.sum = state.sum * correction + hn::GetLane(hn::SumOfLanes(d, sum));
  return correction;
}

// Vectors for heads of D values: f(d).
template <class F>
HWY_INLINE void with_vectors(size_t D, F f) {
  if (D <= 8)
    f(hn::CappedTag<float, 8>());
  else
    f(F32());
}

#if HWY_TARGET != HWY_SCALAR
// The sum of the 128-bit blocks of v.
template <class D>
HWY_INLINE hn::Vec<Four> sum_of_blocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

// scores[i] = sum over D values of q k[i], for four keys; q is a padded row.
template <class V, class T>
HWY_INLINE void score_keys(V d, const float *q, const T *const *k, size_t offset, size_t D, float *scores) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < 4; ++i) scores[i] = dot(q, k[i] + offset, D);
#else
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  const auto add = [&](size_t c, auto read) HWY_ATTR {
    const auto query = hn::Load(d, q + c);
    s0 = hn::MulAdd(query, read(k[0] + offset + c), s0);
    s1 = hn::MulAdd(query, read(k[1] + offset + c), s1);
    s2 = hn::MulAdd(query, read(k[2] + offset + c), s2);
    s3 = hn::MulAdd(query, read(k[3] + offset + c), s3);
  };
  size_t c = 0;
  for (; c + lanes <= D; c += lanes) add(c, [&](const T *from) HWY_ATTR { return load(d, from); });
  if (c < D) add(c, [&](const T *from) HWY_ATTR { return load_n(d, from, D - c); });

  // Inside each block: halves of pairs, then a value of each of the four.
  const hn::RepartitionToWide<V> d64;
  const auto s01 = hn::BitCast(d64, hn::Add(hn::InterleaveLower(d, s0, s1), hn::InterleaveUpper(d, s0, s1)));
  const auto s23 = hn::BitCast(d64, hn::Add(hn::InterleaveLower(d, s2, s3), hn::InterleaveUpper(d, s2, s3)));
  const auto sums =
      hn::Add(hn::BitCast(d, hn::InterleaveLower(d64, s01, s23)), hn::BitCast(d, hn::InterleaveUpper(d64, s01, s23)));
  hn::StoreU(sum_of_blocks(d, sums), Four(), scores);
#endif
}

// y += w[0] v[0] + w[1] v[1] + w[2] v[2] + w[3] v[3] over D values; y is a padded row.
template <class V, class T>
HWY_INLINE void add_values(V d, const float *w, const T *const *v, size_t offset, size_t D, float *y) {
  const size_t lanes = hn::Lanes(d);
  const auto w0 = hn::Set(d, w[0]), w1 = hn::Set(d, w[1]), w2 = hn::Set(d, w[2]), w3 = hn::Set(d, w[3]);
  const auto add = [&](size_t c, auto read) HWY_ATTR {
    auto sum = hn::MulAdd(w0, read(v[0] + offset + c), hn::Load(d, y + c));
    sum = hn::MulAdd(w1, read(v[1] + offset + c), sum);
    sum = hn::MulAdd(w2, read(v[2] + offset + c), sum);
    sum = hn::MulAdd(w3, read(v[3] + offset + c), sum);
    hn::Store(sum, d, y + c);
  };
  size_t c = 0;
  for (; c + lanes <= D; c += lanes) add(c, [&](const T *from) HWY_ATTR { return load(d, from); });
  if (c < D) add(c, [&](const T *from) HWY_ATTR { return load_n(d, from, D - c); });
}

}  // namespace attention::few

template <class T>
void attention_forward_few(KERNEL_ARGS) {
  using namespace attention;
  using namespace attention::few;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), pitch = pad(p.D), parts = key_cells(p);
  const size_t rows = static_cast<size_t>(p.L) * (p.H / p.G), total = rows * p.G, keys = static_cast<size_t>(p.P) + p.S;
  const auto *q = static_cast<const T *>(buffers[0]);              // [B,L,H,D], pitch qPitch
  const auto *k = static_cast<const T *>(buffers[1]) + p.kOffset;  // [B,S,G,D], pitch kvPitch
  const auto *v = static_cast<const T *>(buffers[2]) + p.vOffset;  // [B,S,G,D], pitch kvPitch
  const auto *mask = static_cast<const int32_t *>(buffers[3]);     // [B,kvCapacity]
  const auto *prefix_keys = static_cast<const T *>(buffers[4]);    // [P,G,D]
  const auto *prefix_values = static_cast<const T *>(buffers[5]);  // [P,G,D]
  auto *y = static_cast<T *>(buffers[7]);                          // [B,L,H,D]
  auto *lse = static_cast<float *>(buffers[8]);                    // [B,H,L]
  auto *partials = static_cast<float *>(scratch);                  // [B,cells,H,L,D+2]
  const Dropout dropout(static_cast<const uint32_t *>(buffers[6]), p.sequence, p.dropout);

  State *states = nullptr;
  float *queries = nullptr, *sums = nullptr, *scores = nullptr;
  const auto place = [&](char *base) {
    Arena arena = {base};
    states = arena.take<State>(total);
    queries = arena.take<float>(total * pitch);
    sums = arena.take<float>(total * pitch);
    scores = arena.take<float>(total * TILE_KEYS);
    return arena.used;
  };
  place(static_cast<char *>(thread_workspace(place(nullptr))));
  Tile<T> tile;

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t b = cell / parts, first = cell % parts * CELL_KEYS, stop = std::min(keys, first + CELL_KEYS);
    const Group zero = {p, b, 0};
    for (size_t g = 0; g < p.G; ++g)
      Group{p, b, g}.each_row(0, rows, [&](size_t i, const Row &row) HWY_ATTR {
        states[g * rows + i] = {row, FLOOR, 0};
        widen(q + row.q, p.D, p.scale * LOG2E, queries + (g * rows + i) * pitch, pitch);
      });
    for (size_t i = 0; i < total * pitch; i += lanes) hn::Store(hn::Zero(d), d, sums + i);

    for (size_t from = first; from < stop; from += TILE_KEYS) {
      tile.count = 0;
      for (size_t n = from; n < std::min(stop, from + TILE_KEYS); ++n) {
        const bool own = n >= p.P;
        if (own && p.hasMask && mask[b * p.kvCapacity + n - p.P] == 0) continue;
        tile.number[tile.count] = n;
        tile.k[tile.count] = own ? k + zero.key(n) : prefix_keys + zero.prefix(n);
        tile.v[tile.count++] = own ? v + zero.key(n) : prefix_values + zero.prefix(n);
      }
      if (tile.count == 0) continue;

      for (size_t i = 0; i < total * TILE_KEYS; i += lanes) hn::Store(hn::Set(d, HIDDEN), d, scores + i);
      // Behind the last key it stands again; its scores there become hidden, and its weights 0.
      for (size_t j = tile.count; j % 4 != 0; ++j) tile.k[j] = tile.k[j - 1], tile.v[j] = tile.v[j - 1];
      with_vectors(p.D, [&](auto vectors) HWY_ATTR {
        for (size_t j = 0; j < tile.count; j += 4)
          for (size_t g = 0; g < p.G; ++g)
            for (size_t r = g * rows; r < (g + 1) * rows; ++r) {
              if (static_cast<int32_t>(tile.number[j]) > states[r].row.last) continue;
              score_keys(vectors, queries + r * pitch, tile.k + j, g * p.D, p.D, scores + r * TILE_KEYS + j);
            }
      });
      for (size_t r = 0; r < total; ++r) {
        size_t seen = tile.count;
        while (seen > 0 && static_cast<int32_t>(tile.number[seen - 1]) > states[r].row.last) --seen;
        for (size_t j = seen; j % 4 != 0; ++j) scores[r * TILE_KEYS + j] = HIDDEN;
      }

      for (size_t r = 0; r < total; ++r) {
        float *weights = scores + r * TILE_KEYS, *sum = sums + r * pitch;
        const auto correction = hn::Set(d, soften(weights, states[r]));
        for (size_t c = 0; c < pitch; c += lanes) hn::Store(hn::Mul(correction, hn::Load(d, sum + c)), d, sum + c);
        if (!dropout) continue;
        uint64_t dropped = 0;
        dropout.each_dropped(states[r].row.position, from, from + TILE_KEYS,
                             [&](uint32_t n) { dropped |= uint64_t{1} << (n - from); });
        for (size_t j = 0; j < tile.count; ++j)
          if (dropped >> (tile.number[j] - from) & 1) weights[j] = 0;
      }

      with_vectors(p.D, [&](auto vectors) HWY_ATTR {
        for (size_t j = 0; j < tile.count; j += 4)
          for (size_t g = 0; g < p.G; ++g)
            for (size_t r = g * rows; r < (g + 1) * rows; ++r)
              add_values(vectors, scores + r * TILE_KEYS + j, tile.v + j, g * p.D, p.D, sums + r * pitch);
      });
    }

    for (size_t r = 0; r < total; ++r) {
      const auto &state = states[r];
      const float *sum = sums + r * pitch;
      if (parts == 1) {
        const bool none = state.sum == 0;
        narrow(sum, p.D, none ? 0 : dropout.keep / state.sum, y + state.row.y);
        lse[state.row.lse] = none ? NO_KEYS : (state.maximum + std::log2(state.sum)) * LN2;
      } else {
        float *partial = partials + (cell * total + r) * (p.D + 2);
        narrow(sum, p.D, 1.0f, partial);
        partial[p.D] = state.maximum;
        partial[p.D + 1] = state.sum;
      }
    }
  }
}
KERNEL_TARGETS(attention_forward_few)

template <class T>
void attention_forward_few_join(KERNEL_ARGS) {
  using namespace attention;
  using namespace attention::few;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), pitch = pad(p.D), parts = key_cells(p), total = static_cast<size_t>(p.L) * p.H;
  auto *y = static_cast<T *>(buffers[7]);                      // [B,L,H,D]
  auto *lse = static_cast<float *>(buffers[8]);                // [B,H,L]
  const auto *partials = static_cast<const float *>(scratch);  // [B,cells,H,L,D+2]
  const float keep = 1.0f / (1.0f - p.dropout);
  auto *joined = static_cast<float *>(thread_workspace(pitch * sizeof(float)));

  for (size_t b = begin; b < end; ++b)
    for (size_t g = 0; g < p.G; ++g)
      Group{p, b, g}.each_row(0, total / p.G, [&](size_t i, const Row &row) HWY_ATTR {
        const float *partial = partials + (b * parts * total + g * (total / p.G) + i) * (p.D + 2);
        const size_t next = total * (p.D + 2);
        float maximum = FLOOR, sum = 0;
        for (size_t s = 0; s < parts; ++s) maximum = std::max(maximum, partial[s * next + p.D]);
        for (size_t c = 0; c < pitch; c += lanes) hn::Store(hn::Zero(d), d, joined + c);
        for (size_t s = 0; s < parts; ++s) {
          const float *part = partial + s * next;
          const float factor = std::exp2(part[p.D] - maximum);
          sum += part[p.D + 1] * factor;
          for (size_t c = 0; c < p.D; ++c) joined[c] += part[c] * factor;
        }
        const bool none = sum == 0;
        narrow(joined, p.D, none ? 0 : keep / sum, y + row.y);
        lse[row.lse] = none ? NO_KEYS : (maximum + std::log2(sum)) * LN2;
      });
}
KERNEL_TARGETS(attention_forward_few_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(attention_forward_few)
KERNEL_REGISTER(attention_forward_few_join)
#endif
