// The maximum m of a row and Σ exp(x - m), in one pass.
#pragma once
#include "exp.cuh"
#include "held-row.cuh"

// Of what has been added so far.
struct LogSum {
  float maximum = LOWEST, sum = 0.0f;

  // A vector at column c of a row. A NaN becomes one in the sum.
  template <class V>
  __device__ void add(const Columns<V> &columns, int c, const Vector<V, WIDTH<V>> &vector) {
    float top = maximum;
#pragma unroll
    for (unsigned int j = 0; j < WIDTH<V>; ++j)
      if (columns.holds(c + static_cast<int>(j))) top = fmaxf(top, to_float(vector.values[j]));
    if (top > maximum) {
      sum *= exp_or_zero(maximum - top);
      maximum = top;
    }
#pragma unroll
    for (unsigned int j = 0; j < WIDTH<V>; ++j)
      if (columns.holds(c + static_cast<int>(j))) sum += exp_or_zero(to_float(vector.values[j]) - maximum);
  }

  // Of all threads of a row.
  template <class Rows>
  __device__ void join(const Rows &rows) {
    const float top = rows.max(maximum);
    sum = rows.sum(sum * exp_or_zero(maximum - top));
    maximum = top;
  }
};
