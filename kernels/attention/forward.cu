// attention/forward (cuda)
// Math      y[b,i,h,:] = sum_j p_ij r_ij v[b,j,g,:];  p_ij = exp(scale q·k_j - lse_i) over the keys that i sees,
//           r_ij the dropout factor, g = h / (H / G);  lse = log sum_j exp(scale q·k_j)
// Shapes    q [B,L,H,D], k, v [B,S,G,D] with pitch and offset · mask [B,kvCapacity] i32 · prefixKeys, prefixValues [P,G,D]
//           random [4] u32 · y [B,L,H,D] · lse [B,H,L] f32
// Method    for each 16 keys, the prefix first: keys and values to shared memory; scores; running maximum and sum;
//           y rescaled, the weighted values added. A block stops at the causal edge of its last row.
// Tiling    a block owns 64 query rows of a head; four lanes share a row, each with every fourth element of q and y in
//           registers; keys and values of 16 tokens in shared memory: 128 WIDTH bytes (8, 16, 32 KiB)
// Launch    grid (ceil(L / 64), H, B), 256 threads; one symbol per WIDTH >= D: 64, 128, 256
// Numerics  f32; hidden keys get a finite score and weight 0; a row that sees none: y = 0, lse = 1e30 (NO_KEYS)
// Limits    D <= 256
#include <cstdint>

#include "../common/cuda/philox.cuh"
#include "../common/cuda/reduce.cuh"

struct Params {
  uint32_t B, L, S, H, G, D, P;
  uint32_t causal;
  float scale;
  float dropout;
  uint32_t sequence;
  uint32_t hasMask, hasPrefix;
  uint32_t qPitch, kvPitch;
  uint32_t qOffset, kOffset, vOffset;
  uint32_t kvCapacity;
};

constexpr float HIDDEN = -1e30f, NO_KEYS = 1e30f;
constexpr uint32_t THREADS = 256, LANES = 4, ROWS = THREADS / LANES, KEYS = 16;

struct Inputs {
  const float *q, *k, *v;
  const int32_t *mask;
  const float *prefix_keys, *prefix_values;
  const uint32_t *random;
};

template <uint32_t WIDTH>
struct Tile {
  float keys[KEYS][WIDTH];
  float values[KEYS][WIDTH];
};

// Copies keys j0 ... j0 + 15 of one key/value head, zeros past the last one and past D.
template <uint32_t WIDTH>
__device__ inline void load(Tile<WIDTH> &tile, const Inputs &in, const Params &p, uint32_t batch, uint32_t g,
                            uint32_t j0) {
  for (uint32_t e = threadIdx.x; e < KEYS * WIDTH; e += THREADS) {
    const uint32_t n = e / WIDTH, d = e % WIDTH, j = j0 + n;
    float key = 0.0f, value = 0.0f;
    if (d < p.D && j < p.P) {
      const size_t at = (size_t{j} * p.G + g) * p.D + d;
      key = in.prefix_keys[at];
      value = in.prefix_values[at];
    } else if (d < p.D && j < p.P + p.S) {
      const size_t at = (size_t{batch} * p.kvCapacity + (j - p.P)) * p.kvPitch + size_t{g} * p.D + d;
      key = in.k[p.kOffset + at];
      value = in.v[p.vOffset + at];
    }
    tile.keys[n][d] = key;
    tile.values[n][d] = value;
  }
}

// Bit n says whether dropout keeps key n of sixteen. Each of the four lanes of a row draws four.
__device__ inline uint32_t surviving(const Inputs &in, const Params &p, uint32_t position, uint32_t lane) {
  uint32_t kept = 0;
  for (uint32_t n = LANES * lane; n < LANES * (lane + 1); ++n) {
    if (survives(random_word(position + n, p.sequence, in.random), p.dropout)) kept |= 1u << n;
  }
  kept |= shuffle_xor(kept, 1);
  return kept | shuffle_xor(kept, 2);
}

template <uint32_t WIDTH>
__device__ inline void attention_forward(const Inputs &in, float *y, float *lse, const Params &p) {
  constexpr uint32_t OWN = WIDTH / LANES;
  __shared__ Tile<WIDTH> tile;
  const uint32_t lane = threadIdx.x % LANES, h = blockIdx.y, batch = blockIdx.z, g = h / (p.H / p.G);
  const uint32_t i = blockIdx.x * ROWS + threadIdx.x / LANES;
  const bool active = i < p.L;  // the others keep step at barriers and shuffles
  const uint32_t row = (batch * p.H + h) * p.L + i;

  float query[OWN], result[OWN] = {};
  const float *q = in.q + p.qOffset + (size_t{batch} * p.L + i) * p.qPitch + size_t{h} * p.D;
#pragma unroll
  for (uint32_t e = 0; e < OWN; ++e) {
    const uint32_t d = lane + LANES * e;
    query[e] = active && d < p.D ? p.scale * q[d] : 0.0f;
  }
  float highest = HIDDEN, sum = 0.0f;

  // The first key that no row of this block sees, prefix included; and this row's own.
  const uint32_t last = min(p.L, (blockIdx.x + 1) * ROWS) - 1;
  const auto edge = [&](uint32_t query_row) {
    const uint32_t seen = query_row + p.S + 1;
    return p.P + (p.causal ? min(p.S, seen > p.L ? seen - p.L : 0u) : p.S);
  };
  const uint32_t block_end = edge(last), end = active ? edge(i) : 0;

  for (uint32_t j0 = 0; j0 < block_end; j0 += KEYS) {
    __syncthreads();
    load(tile, in, p, batch, g, j0);
    __syncthreads();

    float weights[KEYS];
    float raised = highest;
#pragma unroll
    for (uint32_t n = 0; n < KEYS; ++n) {
      const uint32_t j = j0 + n;
      float score = 0.0f;
#pragma unroll
      for (uint32_t e = 0; e < OWN; ++e) score = fmaf(query[e], tile.keys[n][lane + LANES * e], score);
      score = lane_sum<LANES>(score);
      bool seen = j < end;
      if (seen && p.hasMask && j >= p.P) seen = in.mask[size_t{batch} * p.kvCapacity + (j - p.P)] != 0;
      weights[n] = seen ? score : HIDDEN;
      raised = fmaxf(raised, weights[n]);
    }
    const float correction = expf(highest - raised);
    highest = raised;
    sum *= correction;
#pragma unroll
    for (uint32_t n = 0; n < KEYS; ++n) {
      weights[n] = weights[n] == HIDDEN ? 0.0f : expf(weights[n] - raised);
      sum += weights[n];
    }
    if (p.dropout > 0.0f) {
      const uint32_t kept = surviving(in, p, row * (p.P + p.S) + j0, lane);
      const float factor = 1.0f / (1.0f - p.dropout);
#pragma unroll
      for (uint32_t n = 0; n < KEYS; ++n) weights[n] *= kept >> n & 1 ? factor : 0.0f;
    }
#pragma unroll
    for (uint32_t e = 0; e < OWN; ++e) {
      float value = result[e] * correction;
#pragma unroll
      for (uint32_t n = 0; n < KEYS; ++n) value = fmaf(weights[n], tile.values[n][lane + LANES * e], value);
      result[e] = value;
    }
  }

  if (!active) return;
  float *out = y + ((size_t{batch} * p.L + i) * p.H + h) * p.D;
  const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
#pragma unroll
  for (uint32_t e = 0; e < OWN; ++e) {
    const uint32_t d = lane + LANES * e;
    if (d < p.D) out[d] = result[e] * inverse;
  }
  if (lane == 0) lse[row] = sum == 0.0f ? NO_KEYS : highest + logf(sum);
}

#define ATTENTION_FORWARD(WIDTH)                                                              \
  extern "C" __global__ void __launch_bounds__(THREADS)                                       \
      attention_forward_##WIDTH##_f32(const float *q,             /* [B,L,H,D] */             \
                                      const float *k,             /* [B,S,G,D] */             \
                                      const float *v,             /* [B,S,G,D] */             \
                                      const int32_t *mask,        /* [B,kvCapacity] */        \
                                      const float *prefix_keys,   /* [P,G,D] */               \
                                      const float *prefix_values, /* [P,G,D] */               \
                                      const uint32_t *random,     /* [4] */                   \
                                      float *__restrict__ y,      /* [B,L,H,D] */             \
                                      float *__restrict__ lse,    /* [B,H,L] */               \
                                      const Params p) {                                       \
    attention_forward<WIDTH>({q, k, v, mask, prefix_keys, prefix_values, random}, y, lse, p); \
  }
ATTENTION_FORWARD(64)
ATTENTION_FORWARD(128)
ATTENTION_FORWARD(256)
