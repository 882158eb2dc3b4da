// attention/forward where few rows share a key/value head: decoding with a cache of keys
// Method    bound by reading k and v, each once. The rows of a key/value head, those of all its heads, are split by eight,
//           their keys over blocks. Lanes of 8 values each share a key, a warp has several; each keeps a running softmax
//           of its own of every row, joined at the end: between lanes, between warps, then between blocks in order.
// Tiling    ROWS rows of 8 values a thread in registers; UNROLL keys at a time on their way
// Launch    128 threads; forward_few: B G, row blocks, splits in x; forward_few_join: a block per row, where splits > 1
// Numerics  f32
#pragma once
#include "../common/cuda/exponential.cuh"
#include "../common/cuda/kernel.cuh"
#include "problem.cuh"

constexpr uint32_t FEW_THREADS = 128, FEW_WARPS = FEW_THREADS / WARP, FEW_WIDTH = 256, PIECE = 8;

// As in cuda.ts.
constexpr uint32_t FEW_ROWS = 8, FEW_BLOCKS = 1024, FEW_KEYS = 128;

__device__ inline uint32_t few_row_blocks(const Params &p) { return ceil_div(p.L * (p.H / p.G), FEW_ROWS); }
__device__ inline uint32_t few_splits(const Params &p) {
  const uint32_t blocks = max(1u, p.B * p.G * few_row_blocks(p));
  return max(1u, min(ceil_div(FEW_BLOCKS, blocks), ceil_div(p.P + p.S, FEW_KEYS)));
}

// The running softmax of one row over some of its keys.
struct Running {
  float maximum, sum;
};

// What two running sums are multiplied by when they are joined; `into` becomes that of both.
__device__ inline float2 join(Running &into, const Running &other) {
  const float maximum = fmaxf(into.maximum, other.maximum);
  const float2 factors = make_float2(exponential2(into.maximum - maximum), exponential2(other.maximum - maximum));
  into = {maximum, into.sum * factors.x + other.sum * factors.y};
  return factors;
}

__device__ inline float logarithm_of(const Running &running) {
  return running.sum == 0.0f ? NO_KEYS : running.maximum * LN2 + logf(running.sum);
}
__device__ inline float normaliser_of(const Running &running, const Params &p) {
  return running.sum == 0.0f ? 0.0f : 1.0f / ((1.0f - p.dropout) * running.sum);
}

// Eight values of a row from d on, zeros past D or where there is no row.
template <class V>
__device__ inline Vector<V, PIECE> load_piece(const V *row, uint32_t d, uint32_t D, bool vectors) {
  Vector<V, PIECE> piece = {};
  if (row == nullptr || d >= D) return piece;
  if (vectors) return *reinterpret_cast<const Vector<V, PIECE> *>(row + d);
#pragma unroll
  for (uint32_t i = 0; i < PIECE; ++i)
    if (d + i < D) piece.values[i] = row[d + i];
  return piece;
}

template <class V, uint32_t ROWS>
__device__ inline void forward_few(const Inputs<V> &in, V *y, float *lse, float *scratch, const Params &p) {
  constexpr uint32_t UNROLL = sizeof(V) == 2 ? 4 : 2;
  __shared__ float sums[FEW_WARPS][ROWS][FEW_WIDTH];
  __shared__ Running states[FEW_WARPS][ROWS];
  const uint32_t splits = few_splits(p), row_blocks = few_row_blocks(p), rows = p.L * (p.H / p.G);
  const uint32_t split = blockIdx.x % splits, row0 = blockIdx.x / splits % row_blocks * FEW_ROWS;
  const uint32_t head = blockIdx.x / splits / row_blocks, batch = head / p.G, g = head % p.G;
  const uint32_t share = ceil_div(p.P + p.S, splits), first = split * share;
  const bool vectors = ((p.D | p.qPitch | p.kvPitch | p.qOffset | p.kOffset | p.vOffset) & (PIECE - 1)) == 0;
  const KeyRows<V> key_at = key_rows(in, p, batch, g), value_at = value_rows(in, p, batch, g);

  uint32_t lanes = 4;  // of a key
  while (lanes * PIECE < p.D) lanes *= 2;
  const uint32_t keys = FEW_THREADS / lanes, key = threadIdx.x / lanes, d = threadIdx.x % lanes * PIECE;

  float query[ROWS][PIECE], result[ROWS][PIECE] = {};
  Running running[ROWS];
  uint32_t ends[ROWS], positions[ROWS], last = 0;
#pragma unroll
  for (uint32_t r = 0; r < ROWS; ++r) {
    const uint32_t row = row0 + r, i = row % p.L, h = g * (p.H / p.G) + row / p.L;
    const bool there = row < rows;
    const auto piece = load_piece<V>(there ? query_rows(in.q, p, batch, h).at(i) : nullptr, d, p.D, vectors);
#pragma unroll
    for (uint32_t c = 0; c < PIECE; ++c) query[r][c] = to_float(piece.values[c]) * (p.scale * LOG2E);
    running[r] = {FLOOR, 0.0f};
    ends[r] = there ? edge(p, i) : 0;
    positions[r] = first_position(p, batch, h, i);
    last = max(last, ends[r]);
  }
  const uint32_t stop = min(last, first + share);

  for (uint32_t j0 = first; j0 < stop; j0 += UNROLL * keys) {
    Vector<V, PIECE> k[UNROLL], v[UNROLL];
    bool kept[UNROLL];
#pragma unroll
    for (uint32_t u = 0; u < UNROLL; ++u) {
      const uint32_t j = j0 + u * keys + key;
      kept[u] = j < stop && (j < p.P || !p.hasMask || in.mask[size_t{batch} * p.kvCapacity + (j - p.P)] != 0);
      k[u] = load_piece<V>(kept[u] ? key_at.at(j) : nullptr, d, p.D, vectors);
      v[u] = load_piece<V>(kept[u] ? value_at.at(j) : nullptr, d, p.D, vectors);
    }
#pragma unroll
    for (uint32_t r = 0; r < ROWS; ++r) {
      float scores[UNROLL], raised = running[r].maximum;
#pragma unroll
      for (uint32_t u = 0; u < UNROLL; ++u) {
        float score = 0.0f;
#pragma unroll
        for (uint32_t c = 0; c < PIECE; ++c) score = fmaf(query[r][c], to_float(k[u].values[c]), score);
        for (uint32_t mask = lanes / 2; mask > 0; mask /= 2) score += shuffle_xor(score, mask);
        scores[u] = kept[u] && j0 + u * keys + key < ends[r] ? score : HIDDEN;
        raised = fmaxf(raised, scores[u]);
      }
      const float correction = exponential2(running[r].maximum - raised);
      running[r] = {raised, running[r].sum * correction};
#pragma unroll
      for (uint32_t c = 0; c < PIECE; ++c) result[r][c] *= correction;
#pragma unroll
      for (uint32_t u = 0; u < UNROLL; ++u) {
        float weight = exponential2(scores[u] - raised);
        running[r].sum += weight;
        if (p.dropout > 0.0f) {
          const uint32_t position = positions[r] + j0 + u * keys + key;
          if (!survives(random_word(position, p.sequence, in.random), p.dropout)) weight = 0.0f;
        }
#pragma unroll
        for (uint32_t c = 0; c < PIECE; ++c) result[r][c] = fmaf(weight, to_float(v[u].values[c]), result[r][c]);
      }
    }
  }

  const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
#pragma unroll
  for (uint32_t r = 0; r < ROWS; ++r) {
    for (uint32_t mask = lanes; mask < WARP; mask *= 2) {
      const float2 factors =
          join(running[r], {shuffle_xor(running[r].maximum, mask), shuffle_xor(running[r].sum, mask)});
#pragma unroll
      for (uint32_t c = 0; c < PIECE; ++c)
        result[r][c] = result[r][c] * factors.x + shuffle_xor(result[r][c], mask) * factors.y;
    }
    if (lane == 0) states[warp][r] = running[r];
    if (lane < lanes) {
#pragma unroll
      for (uint32_t c = 0; c < PIECE; ++c) sums[warp][r][d + c] = result[r][c];
    }
  }
  __syncthreads();

  for (uint32_t r = 0; r < min(ROWS, rows - row0); ++r) {
    const uint32_t i = (row0 + r) % p.L, h = g * (p.H / p.G) + (row0 + r) / p.L;
    const size_t at = (size_t{batch} * p.H + h) * p.L + i;
    Running whole = states[0][r];
    float factors[FEW_WARPS];
    for (uint32_t w = 1; w < FEW_WARPS; ++w) whole.maximum = fmaxf(whole.maximum, states[w][r].maximum);
    whole.sum = 0.0f;
#pragma unroll
    for (uint32_t w = 0; w < FEW_WARPS; ++w) {
      factors[w] = exponential2(states[w][r].maximum - whole.maximum);
      whole.sum += states[w][r].sum * factors[w];
    }
    float *const partial = scratch + (at * splits + split) * (p.D + 2);
    V *const to = result_rows(y, p, batch, h).at(i);
    const float normaliser = normaliser_of(whole, p);
    for (uint32_t c = threadIdx.x; c < p.D; c += FEW_THREADS) {
      float sum = 0.0f;
#pragma unroll
      for (uint32_t w = 0; w < FEW_WARPS; ++w) sum = fmaf(sums[w][r][c], factors[w], sum);
      if (splits == 1)
        to[c] = from_float<V>(sum * normaliser);
      else
        partial[c] = sum;
    }
    if (threadIdx.x > 0) continue;
    if (splits == 1)
      lse[at] = logarithm_of(whole);
    else
      partial[p.D] = whole.maximum, partial[p.D + 1] = whole.sum;
  }
}

template <class V>
__device__ inline void forward_few_join(const float *scratch, V *y, float *lse, const Params &p) {
  const uint32_t splits = few_splits(p), pitch = p.D + 2, at = blockIdx.x;
  const uint32_t i = at % p.L, head = at / p.L, batch = head / p.H, h = head % p.H;
  const float *const partials = scratch + size_t{at} * splits * pitch;
  Running whole = {FLOOR, 0.0f};
  for (uint32_t s = 0; s < splits; ++s) whole.maximum = fmaxf(whole.maximum, partials[s * pitch + p.D]);
  for (uint32_t s = 0; s < splits; ++s)
    whole.sum += partials[s * pitch + p.D + 1] * exponential2(partials[s * pitch + p.D] - whole.maximum);
  const float normaliser = normaliser_of(whole, p);
  V *const to = result_rows(y, p, batch, h).at(i);
  for (uint32_t c = threadIdx.x; c < p.D; c += FEW_THREADS) {
    float sum = 0.0f;
    for (uint32_t s = 0; s < splits; ++s)
      sum = fmaf(partials[s * pitch + c], exponential2(partials[s * pitch + p.D] - whole.maximum), sum);
    to[c] = from_float<V>(sum * normaliser);
  }
  if (threadIdx.x == 0) lse[at] = logarithm_of(whole);
}
