// Products with up to 8 rows, which are bound by reading the right operand: each of its values is read once, from global
// memory straight into registers. Where it lies along k, a warp owns two columns and its lanes share out k; otherwise a
// thread owns a chunk of columns, and threads one below the other share out k. Epilogues are those of gemm.cuh.
// multiply_few also takes products with few columns, as the transpose of those with few rows: multiply_narrow.
// Launch    a block of ALONG_THREADS for each 16 columns, or of FEW_THREADS for FEW_ACROSS chunks of them: gemm.ts
// Numerics  f32; the parts of k are joined in a fixed order
#pragma once
#include "gemm-run.cuh"
#include "reduce.cuh"

constexpr uint32_t FEW_THREADS = 512, FEW_ACROSS = 4, ALONG_THREADS = 256;

template <class V>
struct FewOperands {
  const V *left, *right;
  uint32_t M, N, K;
  bool left_along_k, right_along_k;

  __device__ float left_at(uint32_t m, uint32_t k) const {
    return to_float(left[left_along_k ? size_t{m} * K + k : size_t{k} * M + m]);
  }
};

// ROWS is M rounded up: rows past the end repeat the last one, and nobody gets their sums.
template <uint32_t ROWS, class V, class Epilogue>
__device__ void few_along_k(const FewOperands<V> &p, uint32_t block, const Epilogue &epilogue) {
  constexpr uint32_t COLUMNS = 2;
  const uint32_t lane = threadIdx.x % WARP, column0 = (block * (ALONG_THREADS / WARP) + threadIdx.x / WARP) * COLUMNS;
  if (column0 >= p.N) return;
  const V *right[COLUMNS];
#pragma unroll
  for (uint32_t j = 0; j < COLUMNS; ++j) right[j] = p.right + size_t{column0 + j < p.N ? column0 + j : column0} * p.K;

  // Many rows are work enough for one k, or one chunk of 16-bit values, at a time: more would take too many registers.
  constexpr uint32_t CHUNKS = ROWS > 8 && sizeof(V) == 2 ? 1 : 2, SINGLE = ROWS > 8 ? 1 : 4;
  float sums[ROWS][COLUMNS] = {};
  if (p.K % CHUNK<V> == 0 && p.left_along_k) {
#pragma unroll CHUNKS
    for (uint32_t k = lane * CHUNK<V>; k < p.K; k += WARP * CHUNK<V>) {
      float b[COLUMNS][CHUNK<V>], a[CHUNK<V>];
#pragma unroll
      for (uint32_t j = 0; j < COLUMNS; ++j) read_run(right[j] + k, CHUNK<V>, true, b[j]);
#pragma unroll
      for (uint32_t m = 0; m < ROWS; ++m) {
        read_run(p.left + size_t{m < p.M ? m : p.M - 1} * p.K + k, CHUNK<V>, true, a);
#pragma unroll
        for (uint32_t j = 0; j < COLUMNS; ++j) {
#pragma unroll
          for (uint32_t i = 0; i < CHUNK<V>; ++i) sums[m][j] = fmaf(a[i], b[j][i], sums[m][j]);
        }
      }
    }
  } else {
#pragma unroll SINGLE
    for (uint32_t k = lane; k < p.K; k += WARP) {
#pragma unroll
      for (uint32_t m = 0; m < ROWS; ++m) {
        const float a = p.left_at(m < p.M ? m : p.M - 1, k);
#pragma unroll
        for (uint32_t j = 0; j < COLUMNS; ++j) sums[m][j] = fmaf(a, to_float(right[j][k]), sums[m][j]);
      }
    }
  }
#pragma unroll
  for (uint32_t m = 0; m < ROWS; ++m) {
#pragma unroll
    for (uint32_t j = 0; j < COLUMNS; ++j) {
      float run[RUN<V>] = {lane_sum<WARP>(sums[m][j])};
      if (lane == 0 && m < p.M && column0 + j < p.N) epilogue(m, column0 + j, 1u, run);
    }
  }
}

template <uint32_t ROWS, class V, class Epilogue>
__device__ void few_across(const FewOperands<V> &p, uint32_t block, const Epilogue &epilogue) {
  constexpr uint32_t DOWN = FEW_THREADS / FEW_ACROSS, WIDTH = FEW_ACROSS * CHUNK<V>, WARPS = FEW_THREADS / WARP;
  __shared__ float partial[WARPS][ROWS][WIDTH];
  const uint32_t across = threadIdx.x % FEW_ACROSS, down = threadIdx.x / FEW_ACROSS;
  const uint32_t column = (block * FEW_ACROSS + across) * CHUNK<V>;
  const uint32_t count = column >= p.N ? 0 : p.N - column < CHUNK<V> ? p.N - column : CHUNK<V>;
  const bool aligned = p.N % CHUNK<V> == 0;

  float sums[ROWS][CHUNK<V>] = {};
  if (count > 0) {
#pragma unroll 4
    for (uint32_t k = down; k < p.K; k += DOWN) {
      float b[CHUNK<V>];
      read_run(p.right + size_t{k} * p.N + column, count, aligned, b);
#pragma unroll
      for (uint32_t m = 0; m < ROWS; ++m) {
        const float a = p.left_at(m < p.M ? m : p.M - 1, k);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK<V>; ++i) sums[m][i] = fmaf(a, b[i], sums[m][i]);
      }
    }
  }
#pragma unroll
  for (uint32_t m = 0; m < ROWS; ++m) {
#pragma unroll
    for (uint32_t i = 0; i < CHUNK<V>; ++i) {
      float sum = sums[m][i];
#pragma unroll
      for (uint32_t mask = FEW_ACROSS; mask < WARP; mask *= 2) sum += shuffle_xor(sum, mask);
      if (threadIdx.x % WARP < FEW_ACROSS) partial[threadIdx.x / WARP][m][across * CHUNK<V> + i] = sum;
    }
  }
  __syncthreads();
  if (down >= p.M || down >= ROWS || count == 0) return;
  float run[RUN<V>] = {};
#pragma unroll
  for (uint32_t i = 0; i < CHUNK<V>; ++i) {
    for (uint32_t warp = 0; warp < WARPS; ++warp) run[i] += partial[warp][down][across * CHUNK<V> + i];
  }
  epilogue(down, column, count, run);
}

template <uint32_t N>
struct FewRows {
  static constexpr uint32_t COUNT = N;
};

template <class V, class Epilogue>
__device__ void multiply_few(const FewOperands<V> &p, uint32_t block, const Epilogue &epilogue) {
  const auto multiply = [&](auto rows) {
    constexpr uint32_t ROWS = decltype(rows)::COUNT;
    if (p.right_along_k)
      few_along_k<ROWS>(p, block, epilogue);
    else
      few_across<ROWS>(p, block, epilogue);
  };
  if (p.M == 1)
    multiply(FewRows<1>());
  else if (p.M == 2)
    multiply(FewRows<2>());
  else if (p.M <= 4)
    multiply(FewRows<4>());
  else
    multiply(FewRows<8>());
}

// Of a product with few rows what a product with few columns is: its epilogue, value by value.
template <class V, class Epilogue>
struct Turned {
  const Epilogue &epilogue;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, const float (&sums)[RUN<V>]) const {
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) {
      float run[RUN<V>] = {sums[i]};
      if (i < count) epilogue(column + i, row, 1u, run);
    }
  }
};

// Up to 16 columns where the left operand lies along k, up to 8 otherwise.
template <class V, class Epilogue>
__device__ void multiply_narrow(const FewOperands<V> &p, uint32_t block, const Epilogue &epilogue) {
  const FewOperands<V> turned{p.right, p.left, p.N, p.M, p.K, p.right_along_k, p.left_along_k};
  const Turned<V, Epilogue> to{epilogue};
  if (p.N > 8)
    few_along_k<16>(turned, block, to);
  else
    multiply_few(turned, block, to);
}
