// A run of adjacent values of a row, as epilogues take them: 16 bytes, or a few of them.
#pragma once
#include "activation.cuh"
#include "gemm.cuh"
#include "pack.cuh"

template <uint32_t N>
__device__ inline void activate_run(uint32_t code, float (&values)[N]) {
  with_activation(code, [&](auto f) {
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) values[i] = f(values[i]).value;
  });
}

// A run as it is stored.
template <class V>
using Run = Vector<V, RUN<V>>;

// Halves in pairs: a conversion of one takes as long as one of two.
template <class V>
__device__ inline Run<V> rounded(const float (&values)[RUN<V>]) {
  if constexpr (sizeof(V) == 2) {
    uint4 words;
    words.x = pack<V>(values[0], values[1]), words.y = pack<V>(values[2], values[3]);
    words.z = pack<V>(values[4], values[5]), words.w = pack<V>(values[6], values[7]);
    return __builtin_bit_cast(Run<V>, words);
  } else {
    return {values[0], values[1], values[2], values[3]};
  }
}

// Zeros past `count`. `aligned`: `from` is a multiple of 16 bytes.
template <class V>
__device__ inline Run<V> load_run(const V *from, uint32_t count, bool aligned) {
  if (aligned && count == RUN<V>) return *reinterpret_cast<const Run<V> *>(from);
  Run<V> all;
#pragma unroll
  for (uint32_t i = 0; i < RUN<V>; ++i) all.values[i] = i < count ? from[i] : V{};
  return all;
}

// The same as numbers. Not by load_run: a whole run of values beside them would take a register more than narrow products have.
template <class V>
__device__ inline void read_run(const V *from, uint32_t count, bool aligned, float (&values)[RUN<V>]) {
  if (aligned && count == RUN<V>) {
    const auto all = *reinterpret_cast<const Vector<V, RUN<V>> *>(from);
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) values[i] = to_float(all.values[i]);
  } else {
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) values[i] = i < count ? to_float(from[i]) : 0.0f;
  }
}

template <class V>
__device__ inline void write_run(V *to, uint32_t count, bool aligned, const float (&values)[RUN<V>]) {
  if (aligned && count == RUN<V>) {
    *reinterpret_cast<Run<V> *>(to) = rounded<V>(values);
  } else {
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i)
      if (i < count) to[i] = from_float<V>(values[i]);
  }
}

// Rows that an epilogue reads or writes: `width` values each.
template <class V>
struct Runs {
  V *data;
  uint32_t width;

  __device__ bool aligned() const { return width % RUN<V> == 0; }
  __device__ void read(uint32_t row, uint32_t column, uint32_t count, float (&values)[RUN<V>]) const {
    read_run<V>(data + size_t{row} * width + column, count, aligned(), values);
  }
  __device__ void write(uint32_t row, uint32_t column, uint32_t count, const float (&values)[RUN<V>]) const {
    write_run(data + size_t{row} * width + column, count, aligned(), values);
  }
};
