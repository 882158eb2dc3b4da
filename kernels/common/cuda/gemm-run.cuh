// A run of adjacent values of a row, as epilogues take them: 16 bytes, or a few of them.
#pragma once
#include "gemm.cuh"

// A matrix that an epilogue reads or writes. `aligned`: rows are multiples of 16 bytes.
template <class V>
struct Output {
  V *data;
  uint32_t width;
  bool aligned;

  __device__ Output(V *data, uint32_t width) : data(data), width(width), aligned(width % RUN<V> == 0) {}

  __device__ void read(uint32_t row, uint32_t column, uint32_t count, float (&values)[RUN<V>]) const {
    read_run(data + size_t{row} * width + column, count, aligned, values);
  }
  __device__ void write(uint32_t row, uint32_t column, uint32_t count, const float (&values)[RUN<V>]) const {
    V *to = data + size_t{row} * width + column;
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

  // Zeros past `count`. `aligned`: `from` is a multiple of 16 bytes.
  __device__ static void read_run(const V *from, uint32_t count, bool aligned, float (&values)[RUN<V>]) {
    if (aligned && count == RUN<V>) {
      const auto all = *reinterpret_cast<const Vector<V, RUN<V>> *>(from);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) values[i] = to_float(all.values[i]);
    } else {
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) values[i] = i < count ? to_float(from[i]) : 0.0f;
    }
  }
};
