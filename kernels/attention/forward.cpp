// attention/forward (cpu)
// Math      y[b,i,h] = Σ_j p[i,j] drop[i,j] v[b,j,g],  p[i,:] = softmax over the visible j of scale q[b,i,h]·k[b,j,g];
//           lse[b,h,i] = log Σ_j exp(scale q·k)
// Shapes    q, y [B,L,H,D] · k, v [B,S,G,D] · mask [B,kvCapacity] i32 · prefix [P,G,D] · lse [B,H,L] f32; layouts in kernels.ts
// Method    a cell packs the visible keys and values of its head once (a small one reads them in place), then per block
//           of up to 64 queries:
//             Qᵀ = transposed queries, times scale log2 e
//             per block of keys: scores[key][query] = K Qᵀ; running maximum, sum per column; P = 2^(score - maximum);
//                                Yᵀ[d][query] = Yᵀ 2^(old - new maximum) + Vᵀ P
//             y = transposed Yᵀ / sum
//           Queries lie along vectors, so maxima and sums need no shuffles, keys and values are read as broadcasts in
//           their own layout, and D need not fill vectors.
// Tiling    a block holds Qᵀ, Yᵀ (64 D each) and scores (BLOCK_KEYS × 64); keys beyond the diagonal are skipped
// Launch    one cell per (b, g), more by rows where those are few (`splits`); few rows per head go to forward-few.cpp
// Numerics  f32; base-2 exponential within 1 ulp; y rounds once; lse of a query without keys is NO_KEYS
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/attention/problem.h"
#include "kernels/common/cpu/dropout.h"

#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {
namespace attention::forward {

constexpr size_t BLOCK_KEYS = 96;
// A cell of up to as many rows reads keys and values where they lie, if it can.
constexpr size_t BORROWING_ROWS = 128;

// One block of queries; every array is aligned, columns are queries.
struct QueryBlock {
  float *q, *y;                       // [D][width]
  float *scores;                      // [BLOCK_KEYS][width]
  float *maximum, *sum, *correction;  // [width]
  int32_t *last;                      // [width]
  Row *rows;                          // [width]

  static QueryBlock place(Arena &arena, const Params &p) {
    const size_t width = BLOCK_QUERIES, n = p.D * width;
    return {arena.take<float>(n),       arena.take<float>(n),     arena.take<float>(BLOCK_KEYS * width),
            arena.take<float>(width),   arena.take<float>(width), arena.take<float>(width),
            arena.take<int32_t>(width), arena.take<Row>(width)};
  }
};

// Turns scores into weights relative to the running maximum, which they may raise, in V vectors of columns. Key by key:
// a column by itself would visit one cache line in four and crowd a few sets of the cache.
template <size_t V>
HWY_INLINE void soften(const QueryBlock &block, size_t first, size_t keys, size_t width) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  float *scores = block.scores + first;
  hn::Vec<F32> maximum[V], sum[V];
#pragma GCC unroll 4
  for (size_t i = 0; i < V; ++i) maximum[i] = hn::Load(d, block.maximum + first + i * lanes);
  for (size_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (size_t i = 0; i < V; ++i) maximum[i] = hn::Max(maximum[i], hn::Load(d, scores + j * width + i * lanes));

#pragma GCC unroll 4
  for (size_t i = 0; i < V; ++i) {
    const size_t c = first + i * lanes;
    const auto correction = exp2_negative(d, hn::Sub(hn::Load(d, block.maximum + c), maximum[i]));
    sum[i] = hn::Mul(hn::Load(d, block.sum + c), correction);
    hn::Store(correction, d, block.correction + c);
    hn::Store(maximum[i], d, block.maximum + c);
  }
  for (size_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (size_t i = 0; i < V; ++i) {
      float *score = scores + j * width + i * lanes;
      const auto weight = exp2_negative(d, hn::Sub(hn::Load(d, score), maximum[i]));
      sum[i] = hn::Add(sum[i], weight);
      hn::Store(weight, d, score);
    }
#pragma GCC unroll 4
  for (size_t i = 0; i < V; ++i) hn::Store(sum[i], d, block.sum + first + i * lanes);
}

}  // namespace attention::forward

template <class T>
void attention_forward(KERNEL_ARGS) {
  using namespace attention;
  using namespace attention::forward;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const auto *q = static_cast<const T *>(buffers[0]);              // [B,L,H,D], pitch qPitch
  const auto *k = static_cast<const T *>(buffers[1]) + p.kOffset;  // [B,S,G,D], pitch kvPitch
  const auto *v = static_cast<const T *>(buffers[2]) + p.vOffset;  // [B,S,G,D], pitch kvPitch
  const auto *mask = static_cast<const int32_t *>(buffers[3]);     // [B,kvCapacity]
  const auto *prefix_keys = static_cast<const T *>(buffers[4]);    // [P,G,D]
  const auto *prefix_values = static_cast<const T *>(buffers[5]);  // [P,G,D]
  auto *y = static_cast<T *>(buffers[7]);                          // [B,L,H,D]
  auto *lse = static_cast<float *>(buffers[8]);                    // [B,H,L]
  const Dropout dropout(static_cast<const uint32_t *>(buffers[6]), p.sequence, p.dropout);

  const auto place = [&p](char *base, Keys &keys, QueryBlock &block) {
    Arena arena = {base};
    keys = Keys::place(arena, p);
    block = QueryBlock::place(arena, p);
    return arena.used;
  };
  Keys keys;
  QueryBlock block;
  place(static_cast<char *>(thread_workspace(place(nullptr, keys, block))), keys, block);

  const size_t parts = splits(p), rows = static_cast<size_t>(p.L) * (p.H / p.G);
  for (size_t cell = begin; cell < end; ++cell) {
    const Group group = {p, cell / parts / p.G, cell / parts % p.G};
    const size_t first = cell % parts * rows / parts, stop = (cell % parts + 1) * rows / parts;
    int32_t last = -1;
    group.each_row(first, stop, [&](size_t, const Row &row) { last = std::max(last, row.last); });
    const bool borrowed = stop - first <= BORROWING_ROWS && keys.borrow(group, last, k, v);
    if (!borrowed) keys.pack(group, last, k, v, mask, prefix_keys, prefix_values);

    group.each_block(first, stop, [&](size_t row0, size_t n, size_t width) HWY_ATTR {
      for (size_t i = 0; i < p.D * width; i += lanes) hn::Store(hn::Zero(d), d, block.q + i);
      for (size_t i = 0; i < width; ++i) block.maximum[i] = FLOOR, block.sum[i] = 0, block.last[i] = -1;
      group.each_row(row0, row0 + n, [&](size_t i, const Row &row) { block.rows[i] = row, block.last[i] = row.last; });
      const auto [all, any] = least_and_greatest(block.last, n);
      transpose_in<T>([&](size_t i) { return q + block.rows[i].q; }, n, p.D, p.scale * LOG2E, block.q, width);

      const size_t visible = keys.up_to(any);
      for (size_t from = 0; from < visible; from += BLOCK_KEYS) {
        const size_t to = std::min(visible, from + BLOCK_KEYS), count = to - from;
        if (borrowed) keys.fetch(keys.v, from, to, p.D);
        multiply<Order::ROWS>({keys.k + from * keys.pitch, keys.pitch}, block.q, width, p.D, block.scores, width, count,
                              width);
        if (keys.at[to - 1] > all) hide(block.scores, width, keys, from, to, block.last, all);
        in_pieces(width / lanes,
                  [&](auto vectors, size_t piece) HWY_ATTR { soften<vectors()>(block, piece * lanes, count, width); });
        if (dropout)
          for (size_t i = 0; i < n; ++i)
            dropout.each_dropped(block.rows[i].position, keys.at[from], keys.at[to - 1] + 1, [&](uint32_t key) {
              if (keys.slot[key] >= 0) block.scores[(keys.slot[key] - from) * width + i] = 0;
            });
        if (borrowed) keys.fetch(keys.k, to, to + BLOCK_KEYS, p.D);
        multiply<Order::COLUMNS>({keys.v + from * keys.pitch, keys.pitch}, block.scores, width, count, block.y, width,
                                 p.D, width, {from > 0, from > 0 ? block.correction : nullptr});
      }
      if (visible == 0)
        for (size_t i = 0; i < p.D * width; i += lanes) hn::Store(hn::Zero(d), d, block.y + i);

      for (size_t c = 0; c < width; c += lanes) {
        const auto sum = hn::Load(d, block.sum + c), maximum = hn::Load(d, block.maximum + c);
        const auto none = hn::Eq(sum, hn::Zero(d));
        const auto logarithm = hn::Log(d, hn::IfThenElse(none, hn::Set(d, 1.0f), sum));
        // A sum that is NaN stays it in the logarithm, too: the gradients read it there.
        const auto total = hn::MulAdd(sum, hn::Zero(d), hn::MulAdd(maximum, hn::Set(d, LN2), logarithm));
        hn::Store(hn::IfThenElse(none, hn::Set(d, NO_KEYS), total), d, block.maximum + c);
        hn::Store(hn::IfThenZeroElse(none, hn::Div(hn::Set(d, dropout.keep), sum)), d, block.sum + c);
      }
      for (size_t i = 0; i < n; ++i) lse[block.rows[i].lse] = block.maximum[i];
      transpose_out<T>(block.y, width, block.sum, n, p.D, [&](size_t i) { return y + block.rows[i].y; });
    });
  }
}
KERNEL_TARGETS(attention_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(attention_forward)
#endif
