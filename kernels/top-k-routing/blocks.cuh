// What the launches of top-k-routing/forward share: scratch, in words, by blocks of tokens.
// ranks [levels, blocks, E]: choices of each expert, then the rank of the first · firsts [blocks, E]: first choices ·
// probabilities [blocks, E] f32 · z [blocks] f32 · totals [E] · with PRIORITIES.random queue, lots [T K]: choices by expert,
// and the keys by which they are drawn. Bytes: scratchBytes of cuda.ts. Params is that of forward.cu.
#pragma once
#include "../common/cuda/routing.cuh"

// kernels/top-k-routing/codes.ts
enum Noise : uint32_t { NO_NOISE, GUMBEL_AFTER_FIRST, GUMBEL };
enum Priority : uint32_t { BY_TOKEN, BY_CHOICE, BY_LOT };

using Lists = RoutingListsOf<int32_t>;

__device__ inline Lists lists_of(int32_t *lists, const Params &p) { return Lists(lists, p.E, size_t{p.T} * p.K); }

// Tokens of a block: blockTokens of cuda.ts. By shape, since they decide the order of sums.
__device__ inline uint32_t block_tokens(const Params &p) { return p.T > 8192 ? 64 : 32; }

struct Blocks {
  uint32_t count, levels, E;
  uint32_t *ranks, *firsts;
  float *probabilities, *z;
  uint32_t *totals, *queue, *lots;

  __device__ Blocks(uint32_t *scratch, const Params &p) : levels(p.priority == BY_CHOICE ? p.K : 1), E(p.E) {
    const uint32_t tokens = block_tokens(p);
    count = p.T == 0 ? 1 : (p.T + tokens - 1) / tokens;
    const size_t line = size_t{count} * E;
    ranks = scratch;
    firsts = ranks + levels * line;
    probabilities = reinterpret_cast<float *>(firsts + line);
    z = probabilities + line;
    totals = reinterpret_cast<uint32_t *>(z + count);
    queue = totals + E;
    lots = queue + size_t{p.T} * p.K;
  }
  __device__ uint32_t *ranks_of(uint32_t level, uint32_t block) const {
    return ranks + (size_t{level} * count + block) * E;
  }
};
