// attention/backward, dk and dv, on tensor cores, for values of 16 bits
// Math      dv[j] = Σ_i w_ij drop_ij dy[i],  dk[j] = scale Σ_i w_ij (drop_ij dy[i]·v[j] - delta[i]) q[i]
// Method    a block owns KEYS keys and steps through the queries that see them, of every head that shares them; a block of
//           the prefix through those of every batch row, too. Scores are computed with keys as rows, so that weights and
//           their gradients are left operands as they come out of the product. The next queries and rows of dy arrive
//           meanwhile. Only steps at the causal edge, or with padding, compare places. No atomics: a sum has one owner.
// Tiling    4 warps of 32 keys up to a WIDTH of 64, of 16 above that or with dropout; 32 queries at a time, 64 above a WIDTH
//           of 64 without dropout, 16 where it is 256; in two stages, dy in one above a WIDTH of 64. Where WIDTH is 256
//           registers hold one gradient: OF says which.
// Numerics  weights and gradients of scores round to 16 bits before they meet dy and q; sums in f32
#pragma once
#include "backward-query-tiled.cuh"
#include "own-keys.cuh"

enum class Gradient { VALUES, KEYS, BOTH };

template <uint32_t WIDTH, bool DROPS>
struct KeyShape {
  static constexpr uint32_t PARTS = WIDTH > 64 || DROPS ? 1 : 2, OWN = 16 * PARTS, KEYS = 4 * OWN;
  static constexpr uint32_t STEP = WIDTH > 128 ? 16 : WIDTH > 64 && !DROPS ? 64 : 32;
  static constexpr uint32_t STAGES = 2, GRADIENT_STAGES = WIDTH > 64 ? 1 : 2;
};

template <class V, uint32_t WIDTH, Gradient OF, bool DROPS>
__device__ inline void backward_key_tiled(const V *dy, const Inputs<V> &in, V *dk, V *dv, V *dprefix_keys,
                                          V *dprefix_values, const QueryScalars *rows, const Params &p) {
  using Shape = KeyShape<WIDTH, DROPS>;
  constexpr uint32_t QUERIES = Shape::STEP, PARTS = Shape::PARTS, KEYS = Shape::KEYS, THREADS = BACKWARD_THREADS,
                     SIZE = QUERIES * PITCH<WIDTH>, WORDS = KEYS / 32;
  constexpr uint32_t STAGES = Shape::STAGES, GRADIENT_STAGES = Shape::GRADIENT_STAGES;
  constexpr bool OF_KEYS = OF != Gradient::VALUES, OF_VALUES = OF != Gradient::KEYS;
  DYNAMIC_SHARED(shared);
  V *const keys = reinterpret_cast<V *>(shared);    // [KEYS], then dk
  V *const values = keys + KEYS * PITCH<WIDTH>;     // [KEYS], then dv
  V *const queries = values + KEYS * PITCH<WIDTH>;  // [STAGES][QUERIES]
  V *const gradients = queries + STAGES * SIZE;     // [GRADIENT_STAGES][QUERIES]
  auto *const scalars = reinterpret_cast<QueryScalars *>(gradients + GRADIENT_STAGES * SIZE);  // [STAGES][QUERIES]
  auto *const survivors = reinterpret_cast<uint32_t *>(scalars + STAGES * QUERIES);  // [STAGES][QUERIES][WORDS]

  const OwnKeys keys_of(p, blockIdx.x, KEYS);
  const uint32_t lane = threadIdx.x % WARP, own = threadIdx.x / WARP * Shape::OWN;
  const bool vectors = in_vectors(p), prefix = keys_of.prefix;
  const auto kept = [&](uint32_t n) {
    return keys_of.first + n < keys_of.count && is_kept(p, in.mask, keys_of.batch, keys_of.position + n);
  };
  {
    const Rows<const V> key_at =
        prefix ? prefix_rows(in.prefix_keys, p, keys_of.g) : own_rows(in.k, p, p.kOffset, keys_of.batch, keys_of.g);
    const Rows<const V> value_at =
        prefix ? prefix_rows(in.prefix_values, p, keys_of.g) : own_rows(in.v, p, p.vOffset, keys_of.batch, keys_of.g);
    const auto load_own = [&](V *to, const Rows<const V> &from) {
      load_tile<KEYS, WIDTH, THREADS>(to, in.q, p.D, vectors,
                                      [&](uint32_t n) { return kept(n) ? from.at(keys_of.first + n) : nullptr; });
    };
    load_own(keys, key_at);
    if (OF_KEYS) load_own(values, value_at);
  }

  const QuerySteps<QUERIES> steps(p, keys_of);
  const auto load_queries = [&](const QueryStep &step, uint32_t stage) {
    const Rows<const V> query_at = query_rows(in.q, p, step.batch, step.h);
    load_rows<QUERIES, WIDTH, THREADS>(queries + stage * SIZE, query_at, step.row0, p.L, in.q, p.D, vectors);
    const size_t first = (size_t{step.batch} * p.H + step.h) * p.L;
    const auto *from = reinterpret_cast<const float *>(rows);
    auto *to = reinterpret_cast<float *>(scalars + stage * QUERIES);
    if (threadIdx.x < 2 * QUERIES) {
      const bool there = step.row0 + threadIdx.x / 2 < p.L;
      cp_async_4(to + threadIdx.x, there ? from + 2 * (first + step.row0) + threadIdx.x : from, there ? 4 : 0);
    }
  };
  const auto load_gradients = [&](const QueryStep &step, uint32_t stage) {
    const Rows<const V> dy_at = result_rows(dy, p, step.batch, step.h);
    load_rows<QUERIES, WIDTH, THREADS>(gradients + stage % GRADIENT_STAGES * SIZE, dy_at, step.row0, p.L, in.q, p.D,
                                       vectors);
  };
  QueryStep next = steps.count > 0 ? steps.at(0) : QueryStep{};
  if (steps.count > 0) {
    load_queries(next, 0);
    load_gradients(next, 0);
  }
  cp_async_commit();
  const LeftRows<V, WIDTH, PARTS, false> own_keys(keys, own), own_values(values, own);

  uint32_t first_query[PARTS][2];  // of the keys of lane / 4 and 8 more
  bool all_kept = true;
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t n = own + 16 * part + 8 * half + lane / 4;
      const bool is = kept(n);
      first_query[part][half] = is ? keys_of.first_query(p, n) : ~0u;
      all_kept &= is;
    }
  }
  const uint32_t seen_from = all_lanes(all_kept) ? keys_of.first_query(p, own + Shape::OWN - 1) : ~0u;
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);
  float dkeys[PARTS][OF_KEYS ? WIDTH / 8 : 1][4] = {}, dvalues[PARTS][OF_VALUES ? WIDTH / 8 : 1][4] = {};

  for (uint32_t n = 0; n < steps.count; ++n) {
    const QueryStep step = next;
    next = steps.after(step);
    const uint32_t stage = n % STAGES;
    uint32_t *const survivors_here = survivors + stage * QUERIES * WORDS;
    if constexpr (DROPS) {
      for (uint32_t i = threadIdx.x / 4; i < QUERIES * WORDS / 2; i += THREADS / 4) {
        const uint32_t r = i % QUERIES, word = i / QUERIES * 2;
        const uint32_t position = first_position(p, step.batch, step.h, step.row0 + r) + keys_of.position + 32 * word;
        const uint64_t bits = surviving<64>(p, in.random, position);
        if (threadIdx.x % 4 < 2)
          survivors_here[r * WORDS + word + threadIdx.x % 4] = static_cast<uint32_t>(bits >> threadIdx.x % 4 * 32);
      }
    }
    cp_async_wait<0>();
    __syncthreads();  // queries and gradients are there, those of the step before have been used
    if (n + 1 < steps.count) {
      load_queries(next, stage ^ 1);
      if (GRADIENT_STAGES > 1) load_gradients(next, stage ^ 1);
      cp_async_commit();
    }

    const V *const queries_here = queries + stage * SIZE, *const gradients_here =
                                                              gradients + stage % GRADIENT_STAGES * SIZE;
    const QueryScalars *const scalars_here = scalars + stage * QUERIES;
    float weights[PARTS][QUERIES / 8][4] = {}, dscores[PARTS][QUERIES / 8][4] = {};
    multiply_rows<WIDTH>(weights, own_keys, queries_here);
    if constexpr (OF_KEYS) multiply_rows<WIDTH>(dscores, own_values, gradients_here);

    // With the two queries of each pair of columns.
    const auto each = [&](const auto &use) {
#pragma unroll
      for (uint32_t c = 0; c < QUERIES / 8; ++c) {
        const float4 two = *reinterpret_cast<const float4 *>(scalars_here + 8 * c + lane % 4 * 2);
        const QueryScalars pair[2] = {{two.x, two.y}, {two.z, two.w}};
#pragma unroll
        for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
          for (uint32_t e = 0; e < 4; ++e) use(part, c, e, pair[e % 2]);
        }
      }
    };
    each([&](uint32_t part, uint32_t c, uint32_t e, QueryScalars query) {
      weights[part][c][e] = exponential2(fmaf(weights[part][c][e], scale, -query.lse));
    });
    if (step.row0 < seen_from) {
      each([&](uint32_t part, uint32_t c, uint32_t e, QueryScalars) {
        if (step.row0 + 8 * c + lane % 4 * 2 + e % 2 < first_query[part][e / 2]) weights[part][c][e] = 0.0f;
      });
    }
    each([&](uint32_t part, uint32_t c, uint32_t e, QueryScalars query) {
      float &weight = weights[part][c][e], &dscore = dscores[part][c][e];
      if constexpr (DROPS) {
        const uint32_t word = survivors_here[(8 * c + lane % 4 * 2 + e % 2) * WORDS + own / 32];
        const bool survives = word >> (own % 32 + 16 * part + 8 * (e / 2) + lane / 4) & 1;
        if (OF_KEYS) dscore = weight * (survives ? fmaf(keep, dscore, -query.delta) : -query.delta);
        if (!survives) weight = 0.0f;
      } else if (OF_KEYS) {
        dscore = weight * (dscore - query.delta);
      }
    });
    if constexpr (OF_VALUES) multiply_columns<WIDTH>(dvalues, weights, gradients_here);
    if (GRADIENT_STAGES == 1) {
      __syncthreads();  // the gradients have been used
      if (n + 1 < steps.count) load_gradients(next, 0);
      cp_async_commit();
    }
    if constexpr (OF_KEYS) multiply_columns<WIDTH>(dkeys, dscores, queries_here);
  }
  cp_async_wait<0>();
  __syncthreads();  // the tiles have been used; without a query nothing has waited yet

  const auto store = [&](V *tile, const auto &sums, float factor, const Rows<V> &to) {
#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part)
      store_rows<WIDTH>(tile, own + 16 * part, sums[part], factor, factor, p.D, vectors, [&](uint32_t r) {
        return keys_of.first + r < keys_of.count ? to.at(keys_of.first + r) : nullptr;
      });
  };
  if constexpr (OF_KEYS)
    store(keys, dkeys, p.scale,
          prefix ? prefix_rows(dprefix_keys, p, keys_of.g) : own_rows(dk, p, p.kOffset, keys_of.batch, keys_of.g));
  if constexpr (OF_VALUES)
    store(values, dvalues, keep,
          prefix ? prefix_rows(dprefix_values, p, keys_of.g) : own_rows(dv, p, p.vOffset, keys_of.batch, keys_of.g));
}
