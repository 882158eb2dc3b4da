// top-k-routing/forward (cpu)
// Math      experts[t,0..K) = the K largest scores of token t, ties to the lowest; weights = their probabilities over
//           max(their sum, epsilon) where normalised, times scale, 0 where dropped; sums[e] = sum over t of p[t,e], then
//           E sum_e counts[e] sums[e] / T², then the mean of (log sum_e exp logit)²
// Shapes    logits, noise [T,E] · bias [E] · used [T] · random u32[4] · weights [T,K] · lists [L] · sums [E+2] ·
//           scratch, for each block of tokens, [E+1] f32 and [slots,E] u32
// Method    choose  each token's experts and their probabilities; a block's sums, and how often it chose each expert: all
//                   choices together, or first, second ... apart (slots) where those come first
//           join    offsets and totals; the counts of blocks become ranks of their first choice of each expert
//           draw    with random priority: an expert keeps those of its choices with the largest lots
//           place   a choice's rank gives its row; then the weights
// Launch    choose, place: 64 tokens · join: one cell · draw: one cell per expert
// Numerics  f32; sums of blocks are joined in order. What is NaN or +infinity is a fault and counts as zero: scores.h
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/top-k-routing/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/gemm-plan.h"
#include "kernels/common/cpu/philox.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/top-k-routing/choose.h"
#include "kernels/top-k-routing/scores.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, E, K, L, Z, score, normalize;
  float epsilon, scale;
  uint32_t countFirst, noiseKind, priority, capacity, groups, topGroups, hasBias, hasNoise, hasUsed, sequence,
      faultLabel;
};

// kernels/top-k-routing/codes.ts
enum Noise : uint32_t { kNoNoise, kGumbelAfterFirst, kGumbel };
enum Priority : uint32_t { kByToken, kByChoice, kByLot };

constexpr size_t kBlockTokens = 64;

using Lists = RoutingListsOf<int32_t>;

HWY_INLINE Lists lists_of(const Params &p, void *const *buffers) {
  return Lists(static_cast<int32_t *>(buffers[6]), p.E, size_t{p.T} * p.K);
}
HWY_INLINE const int32_t *used_of(const Params &p, void *const *buffers) {
  return p.hasUsed ? static_cast<const int32_t *>(buffers[3]) : nullptr;
}

// What a block of tokens leaves in scratch.
struct Blocks {
  size_t count, slots, E;
  float *sums;       // [blocks, E+1]: probabilities, then z
  uint32_t *ranks;   // [blocks, slots, E]: how many choices, then the rank of the first
  uint32_t *firsts;  // [blocks, E]: first choices of tokens in use

  Blocks(const Params &p, void *scratch)
      : count(ceil_div(p.T, kBlockTokens)),
        slots(p.priority == kByChoice ? p.K : 1),
        E(p.E),
        sums(static_cast<float *>(scratch)),
        ranks(reinterpret_cast<uint32_t *>(sums + count * (E + 1))),
        firsts(ranks + count * slots * E) {}
  uint32_t *ranks_of(size_t block, size_t k) const { return ranks + (block * slots + (slots > 1 ? k : 0)) * E; }
};

void top_k_routing_forward_choose_f32(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t E = p.E, K = p.K;
  const auto *logits = static_cast<const float *>(buffers[0]);                        // [T,E]
  const auto *bias = p.hasBias ? static_cast<const float *>(buffers[1]) : nullptr;    // [E]
  const auto *noise = p.hasNoise ? static_cast<const float *>(buffers[2]) : nullptr;  // [T,E]
  const auto *used = used_of(p, buffers);                                             // [T]
  const Philox stream =
      p.noiseKind != kNoNoise && !noise ? Philox(static_cast<const uint32_t *>(buffers[4]), p.sequence) : Philox();
  auto *weights = static_cast<float *>(buffers[5]);  // [T,K]
  const Lists lists = lists_of(p, buffers);
  const Blocks blocks(p, scratch);
  const size_t row = round_up(E, 16);
  auto *x = static_cast<float *>(thread_workspace(7 * row * sizeof(float) + row * sizeof(int32_t) + 2 * row));
  float *softmax = x + row, *sigmoids = softmax + row, *scores = sigmoids + row, *noisy = scores + row;
  float *offset = noisy + row, *given = offset + row;
  auto *open = reinterpret_cast<int32_t *>(given + row);
  bool *taken = reinterpret_cast<bool *>(open + row), *closed = taken + row;

  if (bias && clean_row(bias, E, offset).fault) report_row(buffers[8], p.faultLabel, bias, E, 0);
  for (size_t block = begin; block < end; ++block) {
    float *sums = blocks.sums + block * (E + 1);
    uint32_t *firsts = blocks.firsts + block * E;
    std::fill_n(sums, E + 1, 0.0f);
    std::fill_n(blocks.ranks + block * blocks.slots * E, blocks.slots * E, 0u);
    std::fill_n(firsts, E, 0u);
    for (size_t t = block * kBlockTokens; t < HWY_MIN(p.T, (block + 1) * kBlockTokens); ++t) {
      if (clean_logits(logits + t * E, E, x)) report_row(buffers[8], p.faultLabel, logits + t * E, E, t * E);
      if (noise && clean_row(noise + t * E, E, given).fault)
        report_row(buffers[8], p.faultLabel, noise + t * E, E, t * E);

      const float z = softmax_row(x, E, softmax);
      const float sigmoid_sum = p.score == kSigmoid ? sigmoid_row(x, E, sigmoids) : 1;
      const Distribution distribution(p.score, softmax, sigmoids, sigmoid_sum);
      for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
        const auto share =
            hn::MulAdd(part.load(distribution.values + e), hn::Set(d, distribution.factor), part.load(sums + e));
        part.store(share, sums + e);
      });
      sums[E] += z * z;

      const float *choice = p.score == kSigmoid ? sigmoids : x;
      if (bias) {
        for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
          part.store(hn::Add(part.load(choice + e), part.load(offset + e)), scores + e);
        });
        choice = scores;
      }
      if (p.topGroups < p.groups)
        close_groups({E, p.groups, p.topGroups}, choice, noisy, closed, open, taken);
      else
        std::fill_n(taken, E, false);
      const float *after = choice;
      if (p.noiseKind != kNoNoise) {
        after = noisy;
        if (noise)
          for (size_t e = 0; e < E; ++e) noisy[e] = choice[e] + given[e];
        else
          add_gumbel(stream, static_cast<uint32_t>(t * E), E, choice, noisy);
      }
      int32_t *experts = lists.experts + t * K;
      pick(p.noiseKind == kGumbel ? after : choice, E, 1, taken, experts);
      pick(after, E, K - 1, taken, experts + 1);
      chosen_probabilities(x, softmax, sigmoids, p.score, experts, K, weights + t * K);

      if (used && !used[t]) continue;
      ++firsts[experts[0]];
      for (size_t k = 0; k < K; ++k) ++blocks.ranks_of(block, k)[experts[k]];
    }
  }
}

void top_k_routing_forward_join_f32(KERNEL_ARGS) {
  (void)begin, (void)end;
  const auto &p = *static_cast<const Params *>(params);
  const size_t E = p.E, R = size_t{p.T} * p.K;
  const Lists lists = lists_of(p, buffers);
  auto *sums = static_cast<float *>(buffers[7]);  // [E+2]
  const Blocks blocks(p, scratch);

  size_t row = 0;
  float balance = 0, z = 0;
  for (size_t e = 0; e < E; ++e) {
    uint32_t rank = 0, firsts = 0;
    float sum = 0;
    for (size_t k = 0; k < blocks.slots; ++k)
      for (size_t block = 0; block < blocks.count; ++block) {
        uint32_t &slot = blocks.ranks_of(block, k)[e];
        const uint32_t count = slot;
        slot = rank;
        rank += count;
      }
    for (size_t block = 0; block < blocks.count; ++block) {
      firsts += blocks.firsts[block * E + e];
      sum += blocks.sums[block * (E + 1) + e];
    }
    lists.offsets[e] = static_cast<int32_t>(row);
    row += HWY_MIN(rank, p.capacity);
    lists.counts[e] = static_cast<int32_t>(p.countFirst ? firsts : rank);
    sums[e] = sum;
    if (p.T) balance += static_cast<float>(lists.counts[e]) / p.T * (sum / p.T);
  }
  for (size_t block = 0; block < blocks.count; ++block) z += blocks.sums[block * (E + 1) + E];
  lists.offsets[E] = static_cast<int32_t>(row);
  sums[E] = static_cast<float>(E) * balance;
  sums[E + 1] = p.T ? z / p.T : 0;
  std::fill(lists.order + row, lists.order + R, -1);
}

// Rows of expert e, in order, to those of its choices whose lots are the `capacity` largest; ties to the first choice.
void top_k_routing_forward_draw_f32(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const size_t E = p.E, K = p.K, R = size_t{p.T} * K;
  const auto *noise =
      p.hasNoise && p.noiseKind == kNoNoise ? static_cast<const float *>(buffers[2]) : nullptr;  // [T,E]
  const auto *used = used_of(p, buffers);                                                        // [T]
  const auto *random = static_cast<const uint32_t *>(buffers[4]);
  const Lists lists = lists_of(p, buffers);
  struct Draw {
    float lot;
    uint32_t choice;
    bool operator<(const Draw &other) const { return lot != other.lot ? lot > other.lot : choice < other.choice; }
  };

  for (size_t e = begin; e < end; ++e) {
    auto *draws = static_cast<Draw *>(thread_workspace(R * sizeof(Draw)));
    size_t count = 0;
    for (size_t choice = 0; choice < R; ++choice) {
      if (lists.experts[choice] != static_cast<int32_t>(e)) continue;
      lists.position[choice] = -1;
      if (!used || used[choice / K]) draws[count++] = {0, static_cast<uint32_t>(choice)};
    }
    if (count > p.capacity) {
      const Philox stream = noise ? Philox() : Philox(random, p.sequence);
      for (size_t i = 0; i < count; ++i) {
        const size_t t = draws[i].choice / K;
        if (noise) {
          const float lot = noise[t * E + e];
          draws[i].lot = is_fault(lot) ? 0 : lot;
        } else {
          for_random(stream, static_cast<uint32_t>((p.T + t) * E + e), 1, [&](size_t, size_t, const uint32_t *words) {
            draws[i].lot = static_cast<float>(words[0] >> 8) * 0x1p-24f;
          });
        }
      }
      std::nth_element(draws, draws + p.capacity, draws + count);
      std::sort(draws, draws + p.capacity, [](const Draw &a, const Draw &b) { return a.choice < b.choice; });
      count = p.capacity;
    }
    for (size_t i = 0; i < count; ++i) {
      const auto row = lists.offsets[e] + static_cast<int32_t>(i);
      lists.order[row] = static_cast<int32_t>(draws[i].choice);
      lists.position[draws[i].choice] = row;
    }
  }
}

void top_k_routing_forward_place_f32(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t K = p.K;
  const auto *used = used_of(p, buffers);            // [T]
  auto *weights = static_cast<float *>(buffers[5]);  // [T,K]
  const Lists lists = lists_of(p, buffers);
  const Blocks blocks(p, scratch);

  for (size_t block = begin; block < end; ++block)
    for (size_t t = block * kBlockTokens; t < HWY_MIN(p.T, (block + 1) * kBlockTokens); ++t) {
      float sum = 0;
      for (size_t k = 0; k < K; ++k) {
        const size_t choice = t * K + k;
        if (p.priority != kByLot) {
          const int32_t e = lists.experts[choice];
          uint32_t rank = p.capacity;
          if (!used || used[t]) rank = blocks.ranks_of(block, k)[e]++;
          const bool kept = rank < p.capacity;
          const int32_t row = kept ? lists.offsets[e] + static_cast<int32_t>(rank) : -1;
          lists.position[choice] = row;
          if (kept) lists.order[row] = static_cast<int32_t>(choice);
        }
        if (lists.position[choice] < 0) weights[choice] = 0;
        sum += weights[choice];
      }
      const float factor = p.normalize ? p.scale / HWY_MAX(sum, p.epsilon) : p.scale;
      for (size_t k = 0; k < K; ++k) weights[t * K + k] *= factor;
    }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(top_k_routing_forward_choose_f32)
KERNEL_REGISTER_ONE(top_k_routing_forward_join_f32)
KERNEL_REGISTER_ONE(top_k_routing_forward_draw_f32)
KERNEL_REGISTER_ONE(top_k_routing_forward_place_f32)
#endif
