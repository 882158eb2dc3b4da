// attention/backward, dq, on tensor cores, for values of 16 bits
// Math      dq[i] = scale Σ_j w_ij (drop_ij dy[i]·v[j] - delta[i]) k[j],  w_ij = exp(scale q[i]·k[j] - lse[i])
// Method    a block owns 64 queries of a head and steps through the keys they see: scores, weights and their gradients in
//           registers, these the left operand of the product with the keys. The next keys arrive meanwhile, the next
//           values while the last product runs.
// Tiling    4 warps of 16 queries; KEYS at a time
// Numerics  gradients of scores round to 16 bits before they meet the keys; sums in f32
#pragma once
#include "../common/cuda/exponential.cuh"
#include "backward-delta.cuh"
#include "tile.cuh"

template <uint32_t WIDTH>
struct BackwardShape {
  // Of the side that a block owns, 16 a warp; and of the side that it steps through.
  static constexpr uint32_t THREADS = 128, OWNED = 64, STEP = WIDTH > 128 ? 16 : 64;
};

template <class V, uint32_t WIDTH>
__device__ inline void backward_query_tiled(const V *dy, const Inputs<V> &in, V *dq, const QueryScalars *rows,
                                            const Params &p) {
  using Shape = BackwardShape<WIDTH>;
  constexpr uint32_t KEYS = Shape::STEP, ROWS = Shape::OWNED, THREADS = Shape::THREADS, SIZE = KEYS * PITCH<WIDTH>;
  DYNAMIC_SHARED(shared);
  V *const queries = reinterpret_cast<V *>(shared);    // [ROWS], then the results
  V *const gradients = queries + ROWS * PITCH<WIDTH>;  // [ROWS] of dy
  V *const values = gradients + ROWS * PITCH<WIDTH>;   // [KEYS]
  V *const keys = values + SIZE;                       // [2][KEYS]

  const uint32_t tiles = ceil_div(p.L, ROWS), tile = tiles - 1 - blockIdx.x % tiles, head = blockIdx.x / tiles;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const uint32_t lane = threadIdx.x % WARP, row0 = tile * ROWS, own = threadIdx.x / WARP * 16;
  const bool vectors = in_vectors(p);
  const Rows<const V> query_at = query_rows(in.q, p, batch, h), dy_at = result_rows(dy, p, batch, h);
  const KeyRows<V> key_at = key_rows(in, p, batch, g), value_at = value_rows(in, p, batch, g);
  const uint32_t end = edge(p, min(p.L, row0 + ROWS) - 1);
  const auto load = [&](V *to, const KeyRows<V> &from, uint32_t j0, uint64_t kept) {
    load_tile<KEYS, WIDTH, THREADS>(to, in.q, p.D, vectors,
                                    [&](uint32_t n) { return kept >> n & 1 ? from.at(j0 + n) : nullptr; });
  };

  load_tile<ROWS, WIDTH, THREADS>(queries, in.q, p.D, vectors,
                                  [&](uint32_t r) { return row0 + r < p.L ? query_at.at(row0 + r) : nullptr; });
  load_tile<ROWS, WIDTH, THREADS>(gradients, in.q, p.D, vectors,
                                  [&](uint32_t r) { return row0 + r < p.L ? dy_at.at(row0 + r) : nullptr; });
  uint64_t kept = kept_keys(p, in.mask, batch, 0);
  load(keys, key_at, 0, kept);
  load(values, value_at, 0, kept);
  cp_async_commit();

  uint32_t ends[2];
  QueryScalars own_rows[2];
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    const uint32_t i = row0 + own + 8 * half + lane / 4;
    ends[half] = edge(p, i);
    own_rows[half] = i < p.L ? rows[size_t{head} * p.L + i] : QueryScalars{NO_KEYS, 0.0f};
  }
  const uint32_t seen_by_all = edge(p, row0 + own);
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);
  float result[WIDTH / 8][4] = {};

  for (uint32_t j0 = 0, stage = 0; j0 < end; j0 += KEYS, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // keys and values are there, the other keys have been used
    const V *const keys_here = keys + stage * SIZE;
    const uint64_t kept_here = kept;
    const bool more = j0 + KEYS < end;
    if (more) {
      kept = kept_keys(p, in.mask, batch, j0 + KEYS);
      load(keys + (stage ^ 1) * SIZE, key_at, j0 + KEYS, kept);
      cp_async_commit();
    }

    float scores[KEYS / 8][4] = {}, dweights[KEYS / 8][4] = {};
    multiply_rows<WIDTH>(scores, queries, own, keys_here);
    multiply_rows<WIDTH>(dweights, gradients, own, values);
    __syncthreads();  // the values have been used
    if (more) {
      load(values, value_at, j0 + KEYS, kept);
      cp_async_commit();
    }

    const bool compare = j0 + KEYS > seen_by_all || kept_here != ~uint64_t{0};
    uint64_t survivors[2] = {~uint64_t{0}, ~uint64_t{0}};
    if (p.dropout > 0.0f) {
      const uint32_t position = first_position(p, batch, h, row0 + own + lane / 4) + j0;
      survivors[0] = surviving(p, in.random, position);
      survivors[1] = surviving(p, in.random, position + 8 * (p.P + p.S));
    }
#pragma unroll
    for (uint32_t n = 0; n < KEYS / 8; ++n) {
#pragma unroll
      for (uint32_t e = 0; e < 4; ++e) {
        const uint32_t column = 8 * n + lane % 4 * 2 + e % 2;
        float weight = exponential2(fmaf(scores[n][e], scale, -own_rows[e / 2].lse));
        if (compare && (j0 + column >= ends[e / 2] || !(kept_here >> column & 1))) weight = 0.0f;
        float dweight = dweights[n][e];
        if (p.dropout > 0.0f) dweight = survivors[e / 2] >> column & 1 ? keep * dweight : 0.0f;
        scores[n][e] = weight * (dweight - own_rows[e / 2].delta);
      }
    }
    multiply_columns<WIDTH>(result, scores, keys_here);
  }
  cp_async_wait<0>();
  __syncthreads();  // without a key nothing has waited yet

  const Rows<V> result_at = query_rows(dq, p, batch, h);
  store_rows<WIDTH>(queries, own, result, p.scale, p.scale, p.D, vectors,
                    [&](uint32_t r) { return row0 + r < p.L ? result_at.at(row0 + r) : nullptr; });
}
