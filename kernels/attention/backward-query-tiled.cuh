// attention/backward, dq, on tensor cores, for values of 16 bits
// Math      dq[i] = scale Σ_j w_ij (drop_ij dy[i]·v[j] - delta[i]) k[j],  w_ij = exp(scale q[i]·k[j] - lse[i])
// Method    a block owns ROWS queries of a head and steps through the keys they see: scores, weights and their gradients in
//           registers, these the left operand of the product with the keys. The next keys arrive meanwhile, the next
//           values while the last product runs. Only tiles at the causal edge, or with padding, compare places.
// Tiling    4 warps of 32 queries, of 16 where WIDTH is 256; STEP keys at a time. Up to a WIDTH of 64, and without dropout,
//           registers hold q and dy
// Numerics  gradients of scores round to 16 bits before they meet the keys; sums in f32
#pragma once
#include "../common/cuda/anew.cuh"
#include "../common/cuda/exponential.cuh"
#include "backward-delta.cuh"
#include "tile.cuh"

constexpr uint32_t BACKWARD_THREADS = 128;

template <uint32_t WIDTH, bool DROPS>
struct QueryShape {
  static constexpr uint32_t PARTS = WIDTH > 128 ? 1 : 2, OWN = 16 * PARTS, ROWS = 4 * OWN;
  static constexpr uint32_t STEP = WIDTH > (DROPS ? 96 : 128) ? 16 : 32;
  static constexpr bool HELD = WIDTH <= 64 && !DROPS;
};

template <class V, uint32_t WIDTH, bool DROPS>
__device__ inline void backward_query_tiled(const V *dy, const Inputs<V> &in, V *dq, const QueryScalars *rows,
                                            const Params &p) {
  using Shape = QueryShape<WIDTH, DROPS>;
  constexpr uint32_t KEYS = Shape::STEP, PARTS = Shape::PARTS, ROWS = Shape::ROWS, THREADS = BACKWARD_THREADS,
                     SIZE = KEYS * PITCH<WIDTH>;
  DYNAMIC_SHARED(shared);
  V *const queries = reinterpret_cast<V *>(shared);    // [ROWS], then the results
  V *const gradients = queries + ROWS * PITCH<WIDTH>;  // [ROWS] of dy
  V *const values = gradients + ROWS * PITCH<WIDTH>;   // [KEYS]
  V *const keys = values + SIZE;                       // [2][KEYS]

  // Of a causal mask the last queries see the most.
  const uint32_t tiles = ceil_div(p.L, ROWS);
  const BlockPlace place = block_place(blockIdx.x, p.B * p.H, tiles);
  const uint32_t head = place.head, row0 = (tiles - 1 - place.rank) * ROWS;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const uint32_t lane = threadIdx.x % WARP, own = threadIdx.x / WARP * Shape::OWN;
  const bool vectors = in_vectors(p);
  const uint32_t end = edge(p, min(p.L, row0 + ROWS) - 1);
  const auto load = [&](V *to, auto rows_of, uint32_t j0, uint64_t kept) {
    const KeyRows<V> from = rows_of(in, p, anew(batch), g);
    if (vectors && kept == ~uint64_t{0} && from.alike(j0, KEYS))
      load_whole<KEYS, WIDTH, THREADS>(to, from.of(j0), from.within(j0), p.D);
    else
      load_tile<KEYS, WIDTH, THREADS>(to, in.q, p.D, vectors,
                                      [&](uint32_t n) { return kept >> n & 1 ? from.at(j0 + n) : nullptr; });
    cp_async_commit();
  };
  const auto row_of = [&](uint32_t part, uint32_t half) { return row0 + own + 16 * part + 8 * half + lane / 4; };

  load_rows<ROWS, WIDTH, THREADS>(queries, query_rows(in.q, p, batch, h), row0, p.L, in.q, p.D, vectors);
  load_rows<ROWS, WIDTH, THREADS>(gradients, result_rows(dy, p, batch, h), row0, p.L, in.q, p.D, vectors);
  uint64_t kept = kept_keys(p, in.mask, batch, 0);
  load(keys, key_rows<V>, 0, kept);
  load(values, value_rows<V>, 0, kept);
  LeftRows<V, WIDTH, PARTS, Shape::HELD> own_queries(queries, own), own_gradients(gradients, own);
  if constexpr (Shape::HELD) {
    cp_async_wait<0>();
    __syncthreads();
    own_queries.hold(), own_gradients.hold();
  }

  QueryScalars scalars[PARTS][2];
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t i = row_of(part, half);
      scalars[part][half] = i < p.L ? rows[size_t{head} * p.L + i] : QueryScalars{NO_KEYS, 0.0f};
    }
  }
  const uint32_t seen_by_all = edge(p, row0 + own);
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);
  float result[PARTS][WIDTH / 8][4] = {};

  for (uint32_t j0 = 0, stage = 0; j0 < end; j0 += KEYS, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // keys and values are there, the other keys have been used
    const V *const keys_here = keys + stage * SIZE;
    const uint64_t kept_here = kept;
    const bool more = j0 + KEYS < end;
    if (more) {
      kept = kept_keys(p, in.mask, batch, j0 + KEYS);
      load(keys + (stage ^ 1) * SIZE, key_rows<V>, j0 + KEYS, kept);
    }
    uint32_t survivors[PARTS][2];  // before the scores need registers
    if constexpr (DROPS) {
      const uint32_t position = first_position(p, batch, h, anew(row_of(0, 0))) + j0;
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
        for (uint32_t half = 0; half < 2; ++half) {
          const uint32_t below = (16 * part + 8 * half) * (p.P + p.S);
          survivors[part][half] = lane_bits(surviving<32>(p, in.random, position + below));
        }
      }
    }

    float scores[PARTS][KEYS / 8][4] = {}, dweights[PARTS][KEYS / 8][4] = {};
    multiply_rows<WIDTH>(scores, own_queries, keys_here);
    multiply_rows<WIDTH>(dweights, own_gradients, values);
    __syncthreads();  // the values have been used
    if (more) load(values, value_rows<V>, j0 + KEYS, kept);

    const bool compare = j0 + KEYS > seen_by_all || kept_here != ~uint64_t{0};
#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
      for (uint32_t n = 0; n < KEYS / 8; ++n) {
#pragma unroll
        for (uint32_t e = 0; e < 4; ++e)
          scores[part][n][e] = exponential2(fmaf(scores[part][n][e], scale, -scalars[part][e / 2].lse));
      }
      if (compare) {
        const uint32_t ends[2] = {edge(p, row_of(part, 0)), edge(p, row_of(part, 1))};
        hide(scores[part], j0, ends, kept_here, 0.0f);
      }
      if constexpr (DROPS) drop(dweights[part], survivors[part]);
#pragma unroll
      for (uint32_t n = 0; n < KEYS / 8; ++n) {
#pragma unroll
        for (uint32_t e = 0; e < 4; ++e) {
          const float delta = scalars[part][e / 2].delta, dweight = dweights[part][n][e];
          scores[part][n][e] *= DROPS ? fmaf(dweight, keep, -delta) : dweight - delta;
        }
      }
    }
    multiply_columns<WIDTH>(result, scores, keys_here);
  }
  cp_async_wait<0>();
  __syncthreads();  // without a key nothing has waited yet

  const Rows<V> result_at = query_rows(dq, p, batch, h);
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part)
    store_rows<WIDTH>(queries, own + 16 * part, result[part], p.scale, p.scale, p.D, vectors,
                      [&](uint32_t r) { return row0 + r < p.L ? result_at.at(row0 + r) : nullptr; });
}
