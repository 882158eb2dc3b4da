// attention/backward (cpu)
// Math      w = exp(scale q·k - lse), p = w drop; dscore[i,j] = w (drop dy[i]·v[j] - delta[i]), delta[i] = dy[i]·y[i];
//           dv[j] = Σ_i p[i,j] dy[i];  dq[i] = scale Σ_j dscore[i,j] k[j];  dk[j] = scale Σ_i dscore[i,j] q[i]
// Shapes    dy, q, y, dq [B,L,H,D] · k, v, dk, dv [B,S,G,D] · mask [B,kvCapacity] i32 · prefix and its gradients [P,G,D] ·
//           lse [B,H,L] f32; layouts in kernels.ts
// Method    a cell packs the visible keys and values of its head once and keeps its sums of dk and dv beside them; then
//           per block of up to 64 queries (of all heads that share k and v), per block of keys:
//             W[key][query] = 2^(K Qᵀ - lse);  dS = W (V dYᵀ - delta);  dV += W dY;  dK += dS Q;  dQ += dSᵀ K
//           so that one recomputation serves all three gradients, without atomics
// Launch    attention_backward: one cell per (b, g), more by rows where those are few (`splits`);
//           attention_backward_join, one cell per key, only where cells leave partial sums: several cells per head, or
//           a prefix, whose gradient sums over the batch
// Numerics  f32; sums in the order of the query blocks, partial sums in the order of the cells; stores round once.
//           delta reads the stored y, so a half type's rounding of y is part of it
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/attention/problem.h"
#include "kernels/common/cpu/dropout.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {
namespace attention::backward {

constexpr size_t BLOCK_KEYS = 96;

inline bool joins(const Params &p) { return splits(p) > 1 || p.hasPrefix; }

// Where a cell leaves its sums of dk (0) and dv (1) of key n: scratch is [B, G, splits, P + S, 2, D].
inline size_t partial(const Params &p, size_t cell, size_t n, size_t which) {
  return ((cell * (p.P + p.S) + n) * 2 + which) * p.D;
}

// One block of queries; every array is aligned. Columns are queries where the width comes last.
struct QueryBlock {
  float *q_columns, *dy_columns;  // [D][width]
  float *q, *dy, *dq;             // [width][pitch]
  float *weights, *dscores;       // [BLOCK_KEYS][width]
  float *lse, *delta;             // [width], lse in base 2
  int32_t *last;                  // [width]
  Row *rows;                      // [width]
  uint32_t *dropped;              // [BLOCK_KEYS * width] places in weights

  static QueryBlock place(Arena &arena, const Params &p) {
    const size_t width = BLOCK_QUERIES, columns = p.D * width, rows = pad(p.D) * width, scores = BLOCK_KEYS * width;
    return {arena.take<float>(columns), arena.take<float>(columns), arena.take<float>(rows),
            arena.take<float>(rows),    arena.take<float>(rows),    arena.take<float>(scores),
            arena.take<float>(scores),  arena.take<float>(width),   arena.take<float>(width),
            arena.take<int32_t>(width), arena.take<Row>(width),     arena.take<uint32_t>(scores)};
  }
};

// From scores and dy·v to weights and dscores, in place, in V vectors of columns.
template <size_t V>
HWY_INLINE void differentiate(const QueryBlock &block, size_t first, size_t keys, size_t width, float keep) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const auto kept = hn::Set(d, keep);
  hn::Vec<F32> lse[V], delta[V];
#pragma GCC unroll 4
  for (size_t i = 0; i < V; ++i) {
    lse[i] = hn::Load(d, block.lse + first + i * lanes);
    delta[i] = hn::Load(d, block.delta + first + i * lanes);
  }
  for (size_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (size_t i = 0; i < V; ++i) {
      float *weights = block.weights + j * width + first + i * lanes;
      float *dscores = block.dscores + j * width + first + i * lanes;
      const auto weight = exp2_negative(d, hn::Sub(hn::Load(d, weights), lse[i]));
      hn::Store(weight, d, weights);
      hn::Store(hn::Mul(weight, hn::MulSub(hn::Load(d, dscores), kept, delta[i])), d, dscores);
    }
}

}  // namespace attention::backward

template <class T>
void attention_backward(KERNEL_ARGS) {
  using namespace attention;
  using namespace attention::backward;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const auto *dy = static_cast<const T *>(buffers[0]);             // [B,L,H,D]
  const auto *q = static_cast<const T *>(buffers[1]);              // [B,L,H,D], pitch qPitch
  const auto *k = static_cast<const T *>(buffers[2]) + p.kOffset;  // [B,S,G,D], pitch kvPitch
  const auto *v = static_cast<const T *>(buffers[3]) + p.vOffset;  // [B,S,G,D], pitch kvPitch
  const auto *mask = static_cast<const int32_t *>(buffers[4]);     // [B,S]
  const auto *prefix_keys = static_cast<const T *>(buffers[5]);    // [P,G,D]
  const auto *prefix_values = static_cast<const T *>(buffers[6]);  // [P,G,D]
  const auto *y = static_cast<const T *>(buffers[8]);              // [B,L,H,D]
  const auto *lse = static_cast<const float *>(buffers[9]);        // [B,H,L]
  auto *dq = static_cast<T *>(buffers[10]);                        // [B,L,H,D], pitch qPitch
  auto *dk = static_cast<T *>(buffers[11]) + p.kOffset;            // [B,S,G,D], pitch kvPitch
  auto *dv = static_cast<T *>(buffers[12]) + p.vOffset;            // [B,S,G,D], pitch kvPitch
  auto *partials = static_cast<float *>(scratch);                  // [B,G,splits,P+S,2,D]
  const Dropout dropout(static_cast<const uint32_t *>(buffers[7]), p.sequence, p.dropout);

  Keys keys;
  QueryBlock block;
  float *dkeys = nullptr, *dvalues = nullptr;
  const auto place = [&](char *base) {
    Arena arena = {base};
    keys = Keys::place(arena, p);
    block = QueryBlock::place(arena, p);
    dkeys = arena.take<float>((p.P + p.S) * pad(p.D));
    dvalues = arena.take<float>((p.P + p.S) * pad(p.D));
    return arena.used;
  };
  place(static_cast<char *>(thread_workspace(place(nullptr))));
  const size_t pitch = pad(p.D);

  const size_t parts = splits(p), rows = static_cast<size_t>(p.L) * (p.H / p.G);
  for (size_t cell = begin; cell < end; ++cell) {
    const Group group = {p, cell / parts / p.G, cell / parts % p.G};
    const size_t first = cell % parts * rows / parts, stop = (cell % parts + 1) * rows / parts;
    int32_t last = -1;
    group.each_row(first, stop, [&](size_t, const Row &row) { last = std::max(last, row.last); });
    keys.pack(group, last, k, v, mask, prefix_keys, prefix_values);
    size_t begun = 0;  // keys that have a sum
    group.each_block(first, stop, [&](size_t row0, size_t n, size_t width) HWY_ATTR {
      for (size_t i = 0; i < p.D * width; i += lanes)
        hn::Store(hn::Zero(d), d, block.q_columns + i), hn::Store(hn::Zero(d), d, block.dy_columns + i);
      for (size_t i = 0; i < width; ++i) block.last[i] = -1, block.lse[i] = NO_KEYS, block.delta[i] = 0;
      group.each_row(row0, row0 + n, [&](size_t i, const Row &row) HWY_ATTR {
        widen(q + row.q, p.D, 1.0f, block.q + i * pitch, pitch);
        widen(dy + row.y, p.D, 1.0f, block.dy + i * pitch, pitch);
        block.delta[i] = dot(block.dy + i * pitch, y + row.y, p.D);
        block.lse[i] = lse[row.lse] * LOG2E;
        block.rows[i] = row, block.last[i] = row.last;
      });
      const auto [all, any] = least_and_greatest(block.last, n);
      transpose_in<T>([&](size_t i) { return q + block.rows[i].q; }, n, p.D, p.scale * LOG2E, block.q_columns, width);
      transpose_in<T>([&](size_t i) { return dy + block.rows[i].y; }, n, p.D, 1.0f, block.dy_columns, width);

      const size_t visible = keys.up_to(any);
      const bool resume = begun > 0;
      if (resume)
        for (size_t i = begun * pitch; i < visible * pitch; i += lanes)
          hn::Store(hn::Zero(d), d, dkeys + i), hn::Store(hn::Zero(d), d, dvalues + i);
      begun = std::max(begun, visible);
      for (size_t from = 0; from < visible; from += BLOCK_KEYS) {
        const size_t to = std::min(visible, from + BLOCK_KEYS), count = to - from, offset = from * pitch;
        multiply<Order::ROWS>({keys.k + offset, pitch}, block.q_columns, width, p.D, block.weights, width, count,
                              width);
        multiply<Order::ROWS>({keys.v + offset, pitch}, block.dy_columns, width, p.D, block.dscores, width, count,
                              width);
        if (keys.at[to - 1] > all) hide(block.weights, width, keys, from, to, block.last, all);

        size_t dropped = 0;
        if (dropout)
          for (size_t i = 0; i < n; ++i)
            dropout.each_dropped(block.rows[i].position, keys.at[from], keys.at[to - 1] + 1, [&](uint32_t key) {
              if (keys.slot[key] >= 0) block.dropped[dropped++] = (keys.slot[key] - from) * width + i;
            });
        for (size_t i = 0; i < dropped; ++i) block.dscores[block.dropped[i]] = 0;
        in_pieces(width / lanes, [&](auto vectors, size_t piece) HWY_ATTR {
          differentiate<vectors()>(block, piece * lanes, count, width, dropout.keep);
        });
        for (size_t i = 0; i < dropped; ++i) block.weights[block.dropped[i]] = 0;

        multiply<Order::ROWS>({block.weights, width}, block.dy, pitch, n, dvalues + offset, pitch, count, pitch,
                              {resume});
        multiply<Order::ROWS>({block.dscores, width}, block.q, pitch, n, dkeys + offset, pitch, count, pitch, {resume});
        multiply<Order::COLUMNS>({block.dscores, width}, keys.k + offset, pitch, count, block.dq, pitch, n, pitch,
                                 {from > 0});
      }
      if (visible == 0)
        for (size_t i = 0; i < n * pitch; i += lanes) hn::Store(hn::Zero(d), d, block.dq + i);
      for (size_t i = 0; i < n; ++i) narrow(block.dq + i * pitch, p.D, p.scale, dq + block.rows[i].q);
    });

    // Keys that nothing saw have a gradient too: zero.
    const auto put = [&](const float *sums, size_t n, float factor, auto *to) HWY_ATTR {
      if (keys.slot[n] >= 0)
        narrow(sums + keys.slot[n] * pitch, p.D, factor, to);
      else
        for (size_t c = 0; c < p.D; ++c) store1(0.0f, to + c);
    };
    const bool joined = joins(p);
    for (size_t n = 0; n < p.P + p.S; ++n) {
      if (joined) {
        put(dkeys, n, p.scale, partials + partial(p, cell, n, 0));
        put(dvalues, n, dropout.keep, partials + partial(p, cell, n, 1));
      } else {
        put(dkeys, n, p.scale, dk + group.key(n));
        put(dvalues, n, dropout.keep, dv + group.key(n));
      }
    }
  }
}
KERNEL_TARGETS(attention_backward)

template <class T>
void attention_backward_join(KERNEL_ARGS) {
  using namespace attention;
  using namespace attention::backward;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  auto *dk = static_cast<T *>(buffers[11]) + p.kOffset;        // [B,S,G,D], pitch kvPitch
  auto *dv = static_cast<T *>(buffers[12]) + p.vOffset;        // [B,S,G,D], pitch kvPitch
  auto *dprefix_keys = static_cast<T *>(buffers[13]);          // [P,G,D]
  auto *dprefix_values = static_cast<T *>(buffers[14]);        // [P,G,D]
  const auto *partials = static_cast<const float *>(scratch);  // [B,G,splits,P+S,2,D]
  const size_t parts = splits(p);

  // Adds the partial sums of key n of head g over batch rows [b0, b1) and their cells.
  const auto join = [&](size_t b0, size_t b1, size_t g, size_t n, size_t which, T *to) HWY_ATTR {
    const size_t lanes = hn::Lanes(d);
    for (size_t c = 0; c < p.D; c += lanes) {
      const size_t width = std::min<size_t>(lanes, p.D - c);
      auto sum = hn::Zero(d);
      for (size_t b = b0; b < b1; ++b)
        for (size_t s = 0; s < parts; ++s) {
          const float *from = partials + partial(p, (b * p.G + g) * parts + s, n, which) + c;
          sum = hn::Add(sum, width == lanes ? load(d, from) : load_n(d, from, width));
        }
      if (width == lanes)
        store(d, sum, to + c);
      else
        store_n(d, sum, to + c, width);
    }
  };

  for (size_t cell = begin; cell < end; ++cell)
    for (size_t g = 0; g < p.G; ++g) {
      if (cell < p.P) {
        const size_t to = Group{p, 0, g}.prefix(cell);
        if (dprefix_keys) join(0, p.B, g, cell, 0, dprefix_keys + to);
        if (dprefix_values) join(0, p.B, g, cell, 1, dprefix_values + to);
      } else {
        const size_t b = (cell - p.P) / p.S, n = p.P + (cell - p.P) % p.S, to = Group{p, b, g}.key(n);
        join(b, b + 1, g, n, 0, dk + to);
        join(b, b + 1, g, n, 1, dv + to);
      }
    }
}
KERNEL_TARGETS(attention_backward_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(attention_backward)
KERNEL_REGISTER(attention_backward_join)
#endif
