// The shapes of one attention call, where its rows lie, and which keys a query sees (the layout is told in kernels.ts).
#pragma once
#include <cstdint>

#include "../common/cuda/anew.cuh"
#include "../common/cuda/philox.cuh"
#include "../common/cuda/shuffle.cuh"

struct Params {
  uint32_t B, L, S, H, G, D, P, causal;
  float scale, dropout;
  uint32_t sequence, hasMask, hasPrefix, qPitch, kvPitch, qOffset, kOffset, vOffset, kvCapacity;
};

// A hidden score lies below the floor of the running maximum, so its weight is exactly 0 even where a query sees nothing; no
// infinity takes part. The plain kernels keep scores in base 2, the tiled ones as products, which the exponential scales.
constexpr float LOG2E = 1.44269504f, LN2 = 0.693147181f;
constexpr float HIDDEN = -1e30f, FLOOR = -1e29f, NO_KEYS = 1e30f;

__device__ inline uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

// The head of a block, and its place among the blocks of that head.
struct BlockPlace {
  uint32_t head, rank;
};

// Blocks come in the order of ranks, over as many heads at a time as have TOGETHER blocks: about what a GPU runs at once, twice
// over, so that with the longest first none of them is left for the end, while the keys of those heads stay in its L2.
__device__ inline BlockPlace block_place(uint32_t block, uint32_t heads, uint32_t per_head) {
  constexpr uint32_t TOGETHER = 512;
  const uint32_t together = ceil_div(TOGETHER, per_head), first = block / (together * per_head) * together;
  const uint32_t count = min(together, heads - first), within = block - first * per_head;
  return {first + within % count, within / count};
}

template <class V>
struct Inputs {
  const V *q, *k, *v;                    // [B,L,H,D], [B,S,G,D]
  const int32_t *mask;                   // [B,kvCapacity]
  const V *prefix_keys, *prefix_values;  // [P,G,D]
  const uint32_t *random;                // [4]
};

// Rows of one head and batch row, `pitch` elements apart.
template <class V>
struct Rows {
  V *first;
  size_t pitch;
  __device__ V *at(uint32_t n) const { return first + n * pitch; }
};

// Keys or values of one head and batch row: the prefix first.
template <class V>
struct KeyRows {
  Rows<const V> own, prefix;
  uint32_t P;
  __device__ const V *at(uint32_t j) const { return j < P ? prefix.at(j) : own.at(j - P); }
  // Whether keys [j, j + count) are of one kind, then whose rows, and which of them key j is.
  __device__ bool alike(uint32_t j, uint32_t count) const { return j >= P || j + count <= P; }
  // By value and member by member: a choice between the two as places would put them into local memory.
  __device__ Rows<const V> of(uint32_t j) const {
    return {j < P ? prefix.first : own.first, j < P ? prefix.pitch : own.pitch};
  }
  __device__ uint32_t within(uint32_t j) const { return j < P ? j : j - P; }
};

// Tokens of q or dq, of k, v or their gradients, and of y or dy.
template <class V>
__device__ inline Rows<V> query_rows(V *q, const Params &p, uint32_t batch, uint32_t h) {
  return {q + p.qOffset + size_t{batch} * p.L * p.qPitch + size_t{h} * p.D, p.qPitch};
}
template <class V>
__device__ inline Rows<V> own_rows(V *k, const Params &p, uint32_t offset, uint32_t batch, uint32_t g) {
  return {k + offset + size_t{batch} * p.kvCapacity * p.kvPitch + size_t{g} * p.D, p.kvPitch};
}
template <class V>
__device__ inline Rows<V> prefix_rows(V *prefix, const Params &p, uint32_t g) {
  return {prefix + size_t{g} * p.D, size_t{p.G} * p.D};
}
template <class V>
__device__ inline Rows<V> result_rows(V *y, const Params &p, uint32_t batch, uint32_t h) {
  return {y + (size_t{batch} * p.L * p.H + h) * p.D, size_t{p.H} * p.D};
}
template <class V>
__device__ inline KeyRows<V> key_rows(const Inputs<V> &in, const Params &p, uint32_t batch, uint32_t g) {
  return {own_rows(in.k, p, p.kOffset, batch, g), prefix_rows(in.prefix_keys, p, g), p.P};
}
template <class V>
__device__ inline KeyRows<V> value_rows(const Inputs<V> &in, const Params &p, uint32_t batch, uint32_t g) {
  return {own_rows(in.v, p, p.vOffset, batch, g), prefix_rows(in.prefix_values, p, g), p.P};
}

// The first key that query i does not see, the prefix counted.
__device__ inline uint32_t edge(const Params &p, uint32_t i) {
  if (!p.causal) return p.P + p.S;
  const uint32_t seen = i + 1 + p.S;
  return p.P + min(p.S, seen > p.L ? seen - p.L : 0u);
}

// Whether key j is there and the padding mask leaves it.
__device__ inline bool is_kept(const Params &p, const int32_t *mask, uint32_t batch, uint32_t j) {
  return j < p.P + p.S && (j < p.P || !p.hasMask || mask[size_t{batch} * p.kvCapacity + (j - p.P)] != 0);
}

// Bit n says so of key j0 + n. A warp's threads ask together.
__device__ inline uint64_t kept_keys(const Params &p, const int32_t *mask, uint32_t batch, uint32_t j0) {
  if (!p.hasMask && j0 + 64 <= p.P + p.S) return ~uint64_t{0};
  const uint32_t lane = threadIdx.x % WARP;
  const uint32_t low = __ballot_sync(ALL_LANES, is_kept(p, mask, batch, j0 + lane));
  const uint32_t high = __ballot_sync(ALL_LANES, is_kept(p, mask, batch, j0 + WARP + lane));
  return uint64_t{high} << 32 | low;
}

// Bit n of COUNT, 32 or 64, says whether dropout keeps element position + n. The four lanes of an aligned group ask together
// and draw a quarter each.
template <uint32_t COUNT>
__device__ inline uint64_t surviving(const Params &p, const uint32_t *random, uint32_t position) {
  constexpr uint32_t QUADS = COUNT / 16;
  const uint32_t lane = threadIdx.x % 4, phase = position % 4;
  const auto draw = [&](uint32_t quad) {
    // Keys of the rounds are not worth registers between draws.
    const uint2 key = make_uint2(anew(random[0]), anew(random[1]));
    const uint4 words = philox(make_uint4((position / 4 + quad) % (1u << 30), 0, p.sequence + random[2], 0), key);
    return uint32_t{survives(words.x, p.dropout)} | uint32_t{survives(words.y, p.dropout)} << 1 |
           uint32_t{survives(words.z, p.dropout)} << 2 | uint32_t{survives(words.w, p.dropout)} << 3;
  };
  uint32_t own = 0;
#pragma unroll 1
  for (uint32_t n = 0; n < QUADS; ++n) own |= draw(QUADS * lane + n) << 4 * n;
  const uint64_t quarter = uint64_t{own} << 4 * QUADS * lane;
  uint32_t low = static_cast<uint32_t>(quarter), high = static_cast<uint32_t>(quarter >> 32);
  low |= shuffle_xor(low, 1);
  low |= shuffle_xor(low, 2);
  if (COUNT > 32) high |= shuffle_xor(high, 1), high |= shuffle_xor(high, 2);
  const uint64_t bits = uint64_t{high} << 32 | low;
  // Without a phase the quad behind them is not needed.
  return phase == 0 ? bits : bits >> phase | uint64_t{draw(COUNT / 4)} << (COUNT - phase);
}

// The element of the random stream of query i and key 0.
__device__ inline uint32_t first_position(const Params &p, uint32_t batch, uint32_t h, uint32_t i) {
  return ((batch * p.H + h) * p.L + i) * (p.P + p.S);
}
