// The first launch of top-k-routing/forward: the K experts of each token, their probabilities, and what each block of tokens
// adds to counts and sums.
#pragma once
#include "../common/cuda/fault.cuh"
#include "../common/cuda/order.cuh"
#include "../common/cuda/philox.cuh"
#include "blocks.cuh"
#include "scores.cuh"

struct ChoiceInputs {
  const float *logits, *bias, *noise;  // [T,E], [E], [T,E]
  const int32_t *used;                 // [T]
  const uint32_t *random;              // [4]
};

// What a warp has of shared memory: `wordsOfWarp` of cuda.ts.
struct WarpScores {
  float *x, *scores, *shares;  // [E]
  float *worth;                // [groups]
  uint32_t *chosen;            // [K]

  __device__ WarpScores(float *memory, const Params &p)
      : x(memory),
        scores(x + p.E),
        shares(scores + p.E),
        worth(shares + p.E),
        chosen(reinterpret_cast<uint32_t *>(worth + p.groups)) {}
};

__device__ inline float uniform_of(uint32_t position, const uint32_t *random, const Params &p) {
  return uniform(random_word(position, p.sequence, random));
}

// Reports the first logit, or noise, of the token that is none; the row, where all of it is -infinity.
__device__ inline void report_row(const ChoiceInputs &in, uint32_t t, bool blank, uint32_t *faults, const Params &p) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t lowest = blank ? 0 : p.E;
  for (uint32_t e = lane; e < p.E; e += WARP) {
    const size_t i = size_t{t} * p.E + e;
    if (e < lowest && (is_fault(in.logits[i]) || (p.hasNoise && is_fault(in.noise[i])))) lowest = e;
  }
  lowest = lane_join<WARP>(lowest, [](uint32_t a, uint32_t b) { return a < b ? a : b; });
  if (lane == 0 && lowest < p.E) report_not_finite(faults, p.faultLabel, t * p.E + lowest);
}

// The foremost of n values behind `previous`.
template <class Value>
__device__ inline Entry next_of(uint32_t n, Entry previous, uint32_t taken, Value value) {
  Entry best = NOTHING;
  for (uint32_t i = threadIdx.x % WARP; i < n; i += WARP) {
    const Entry entry = entry_of(value(i), i);
    if (i != taken && entry < previous && entry > best) best = entry;
  }
  return warp_foremost(best);
}

// -infinity for all experts outside the topGroups groups whose two largest scores sum highest.
__device__ inline void close_groups(const WarpScores &own, const Params &p) {
  const uint32_t lane = threadIdx.x % WARP, size = p.E / p.groups;
  const float none = __uint_as_float(0xff800000u);
  for (uint32_t g = lane; g < p.groups; g += WARP) {
    float first = none, second = none;
    for (uint32_t e = g * size; e < (g + 1) * size; ++e) {
      second = fmaxf(second, fminf(first, own.scores[e]));
      first = fmaxf(first, own.scores[e]);
    }
    own.worth[g] = size > 1 ? first + second : first;
  }
  __syncwarp();
  const auto worth = [&](uint32_t g) { return own.worth[g]; };
  Entry last = FIRST;
  for (uint32_t i = 0; i < p.topGroups; ++i) last = next_of(p.groups, last, p.groups, worth);
  for (uint32_t e = lane; e < p.E; e += WARP)
    if (entry_of(own.worth[e / size], e / size) < last) own.scores[e] = none;
  __syncwarp();
}

__device__ inline void add_noise(const ChoiceInputs &in, uint32_t t, const WarpScores &own, const Params &p) {
  for (uint32_t e = threadIdx.x % WARP; e < p.E; e += WARP) {
    const size_t i = size_t{t} * p.E + e;
    own.scores[e] += p.hasNoise ? clean(in.noise[i])
                                : -logf(-logf(fmaxf(uniform_of(static_cast<uint32_t>(i), in.random, p), 0x1p-25f)));
  }
  __syncwarp();
}

__device__ inline void choose(const ChoiceInputs &in, uint32_t t, const WarpScores &own, const Params &p) {
  const auto score = [&](uint32_t e) { return own.scores[e]; };
  if (p.topGroups < p.groups) close_groups(own, p);
  if (p.noiseKind == GUMBEL) add_noise(in, t, own, p);
  Entry previous = FIRST;
  uint32_t taken = p.E;
  for (uint32_t k = 0; k < p.K; ++k) {
    previous = next_of(p.E, previous, taken, score);
    if (threadIdx.x % WARP == 0) own.chosen[k] = index_of(previous);
    if (k == 0 && p.noiseKind == GUMBEL_AFTER_FIRST) {
      taken = index_of(previous);
      previous = FIRST;
      __syncwarp();  // scores have been read
      add_noise(in, t, own, p);
    }
  }
  __syncwarp();
}

__device__ inline void choose_block(const ChoiceInputs &in, float *weights, int32_t *list, uint32_t *faults,
                                    uint32_t *scratch, uint32_t *memory, const Params &p) {
  const Blocks blocks(scratch, p);
  const Lists lists = lists_of(list, p);
  const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  const uint32_t block = blockIdx.x, first = block * block_tokens(p);
  const uint32_t last = first + block_tokens(p) < p.T ? first + block_tokens(p) : p.T;
  uint32_t *histogram = memory, *firsts = histogram + blocks.levels * p.E;  // [levels,E], [E]
  auto *z = reinterpret_cast<float *>(firsts + p.E);                        // [warps]
  const uint32_t words = 3 * p.E + p.groups + p.K;
  const WarpScores own(z + warps + warp * words, p);

  for (uint32_t i = threadIdx.x; i < (blocks.levels + 1) * p.E; i += blockDim.x) histogram[i] = 0;
  for (uint32_t e = lane; e < p.E; e += WARP) own.shares[e] = 0.0f;
  if (block == 0 && p.hasBias && p.T > 0)
    for (uint32_t e = threadIdx.x; e < p.E; e += blockDim.x)
      if (is_fault(in.bias[e])) report_not_finite(faults, p.faultLabel, e);
  __syncthreads();

  float squares = 0.0f;
  for (uint32_t t = first + warp; t < last; t += warps) {
    const ScoreRow row(in.logits + size_t{t} * p.E, p.E, p.score, own.x);
    report_row(in, t, row.blank, faults, p);
    for (uint32_t e = lane; e < p.E; e += WARP) {
      own.shares[e] += row.distribution(e);
      own.scores[e] = row.choice(e) + (p.hasBias ? clean(in.bias[e]) : 0.0f);
    }
    const float log_sum = row.softmax.log_sum();
    squares += log_sum * log_sum;
    __syncwarp();
    choose(in, t, own, p);

    const Softmax chosen = row.over_chosen(p.K, [&](uint32_t k) { return own.chosen[k]; });
    const bool is_used = !p.hasUsed || in.used[t] != 0;
    for (uint32_t k = lane; k < p.K; k += WARP) {
      const uint32_t e = own.chosen[k];
      lists.experts[size_t{t} * p.K + k] = static_cast<int32_t>(e);
      weights[size_t{t} * p.K + k] = row.probability(chosen, e);
      if (!is_used) continue;
      atomicAdd(&histogram[(blocks.levels > 1 ? k : 0) * p.E + e], 1u);
      if (k == 0) atomicAdd(&firsts[e], 1u);
    }
    __syncwarp();  // before the next token's values overwrite these
  }
  if (lane == 0) z[warp] = squares;
  __syncthreads();

  for (uint32_t i = threadIdx.x; i < blocks.levels * p.E; i += blockDim.x)
    blocks.ranks_of(i / p.E, block)[i % p.E] = histogram[i];
  for (uint32_t e = threadIdx.x; e < p.E; e += blockDim.x) {
    blocks.firsts[size_t{block} * p.E + e] = firsts[e];
    float share = 0.0f;
    for (uint32_t w = 0; w < warps; ++w) share += z[warps + w * words + 2 * p.E + e];
    blocks.probabilities[size_t{block} * p.E + e] = share;
  }
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (uint32_t w = 0; w < warps; ++w) sum += z[w];
    blocks.z[block] = sum;
  }
}
