// A run of adjacent values of a row, as epilogues take them: 16 bytes, or a few of them.
#pragma once
#include "activation.cuh"
#include "gemm.cuh"

// One branch for all values of a run.
template <uint32_t N>
__device__ inline void activate_run(uint32_t code, float (&values)[N]) {
  const auto each = [&](auto f) {
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) values[i] = f(values[i]);
  };
  switch (code) {
    case 1: return each([](float x) { return gelu(x); });
    case 2: return each([](float x) { return gelu_tanh(x); });
    case 3: return each([](float x) { return swish(x, 1.702f); });
    case 4: return each([](float x) { return swish(x, 1.0f); });
    case 5: return each([](float x) { return tanhf(x); });
    case 6: return each([](float x) { return relu(x); });
    default: return;
  }
}

// Zeros past `count`. `aligned`: `from` is a multiple of 16 bytes.
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
    Vector<V, RUN<V>> all;
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) all.values[i] = from_float<V>(values[i]);
    *reinterpret_cast<Vector<V, RUN<V>> *>(to) = all;
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
