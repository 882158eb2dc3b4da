// Dropout of the rows that go into an adapter: the mask of element `position` of x is that of dropout on x.
#pragma once
#include "../common/cuda/gemm-operand.cuh"
#include "../common/cuda/philox.cuh"

struct Mask {
  const uint32_t *random;  // nullptr: keeps all
  uint32_t sequence;
  float rate;

  __device__ Mask(const uint32_t *random, uint32_t sequence, float rate)
      : random(rate > 0.0f ? random : nullptr), sequence(sequence), rate(rate) {}

  // What a value that is kept is multiplied with.
  __device__ float factor() const { return random ? 1.0f / (1.0f - rate) : 1.0f; }

  // Which of N values, at `position` modulo 2^32 and behind it, are kept: a bit each. `random` is there.
  template <uint32_t N>
  __device__ uint32_t kept(uint32_t position) const {
    static_assert(N % 4 == 0 && N < 29, "whole quads, whose bits and those of another fit into a word");
    const uint32_t phase = position % 4;
    uint32_t bits = 0;
#pragma unroll 1
    for (uint32_t quad = 0; quad < N / 4 + (phase > 0 ? 1 : 0); ++quad) {
      const uint4 words = philox(make_uint4((position / 4 + quad) % (1u << 30), 0, sequence + random[2], 0),
                                 make_uint2(random[0], random[1]));
      bits |= (uint32_t{survives(words.x, rate)} | uint32_t{survives(words.y, rate)} << 1 |
               uint32_t{survives(words.z, rate)} << 2 | uint32_t{survives(words.w, rate)} << 3)
              << 4 * quad;
    }
    return bits >> phase;
  }

  // N values, at `position` modulo 2^32 and behind it, times 0 or 1 / (1 - rate).
  template <uint32_t N>
  __device__ void apply(float (&values)[N], uint32_t position) const {
    if (!random) return;
    const uint32_t bits = kept<N>(position);
    const float keep = factor();
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) values[i] = bits >> i & 1 ? values[i] * keep : 0.0f;
  }
};

// Rows [first, first + lines) of x [.., extent] with its mask, as an operand whose lines are k.
template <class V>
struct DroppedMatrix {
  static constexpr bool ALONG_K = false, IN_ORDER = true;
  const V *data;
  uint32_t first, lines, extent;
  bool aligned;
  const Mask &mask;

  __device__ uint32_t line(uint32_t i) const { return i; }
  __device__ void chunk(V *to, uint32_t line, uint32_t down, uint32_t at) const {
    constexpr uint32_t N = CHUNK<V>;
    const uint32_t count = line + down < lines && at < extent ? min(N, extent - at) : 0;
    const size_t place = size_t{first + line + down} * extent + at;
    if (!mask.random) return copy_chunk(to, data + place, count, aligned);
    float values[N];
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) values[i] = i < count ? to_float(data[place + i]) : 0.0f;
    mask.apply(values, static_cast<uint32_t>(place));
    Vector<V, N> dropped;
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) dropped.values[i] = from_float<V>(values[i]);
    *reinterpret_cast<Vector<V, N> *>(to) = dropped;
  }
};
