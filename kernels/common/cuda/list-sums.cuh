// Sums of rows by lists, for copy/index-add and embedding/backward-weight: y[o,v,:] = base[o,v,:] + Σ x[o,k,:] over the k in
// list v. Short lists are summed by a thread for each vector of y; a long one by a block for 32 vectors of its row, whose
// warps take entries in turn. The order of a sum depends on its list's length only. The launches: `sumLists` in lists.ts.
#pragma once
#include "elements.cuh"
#include "lists.cuh"

// Also in lists.ts: a longer list is long; threads of its blocks, of which two share a multiprocessor.
constexpr uint32_t LONG = 32, LONG_THREADS = 512;

// x [O,K,I], y [O,V,I]
struct ListedRows {
  uint32_t O, V, K, I;
};

// sum[c] += Σ x[entries[at] I + c] over every `step`th entry.
template <unsigned int N, class V>
__device__ inline void add_entries(const V *x, const uint32_t *entries, uint32_t begin, uint32_t end, uint32_t step,
                                   uint32_t I, float (&sum)[N]) {
#pragma unroll 4
  for (uint32_t at = begin; at < end; at += step) {
    const auto row = *reinterpret_cast<const Vector<V, N> *>(x + size_t{entries[at]} * I);
#pragma unroll
    for (unsigned int k = 0; k < N; ++k) sum[k] += to_float(row.values[k]);
  }
}

// Elements i to i + N - 1 of y, unless their list is long. A base may be y itself: `base` null is zeros.
template <unsigned int N, class V>
__device__ inline void sum_short_list(const V *x, const V *base, V *y, const Lists &lists, const ListedRows &p,
                                      uint32_t i) {
  const uint32_t row = i / p.I, c = i - row * p.I, o = row / p.V, v = row - o * p.V;
  const uint32_t begin = lists.starts[v], end = lists.starts[v + 1];
  if (end - begin > LONG) return;
  Vector<V, N> result = {};
  if (base != nullptr) result = *reinterpret_cast<const Vector<V, N> *>(base + i);
  if (begin != end) {
    float sum[N] = {};
    add_entries(x + size_t{o} * p.K * p.I + c, lists.entries, begin, end, 1, p.I, sum);
#pragma unroll
    for (unsigned int k = 0; k < N; ++k) result.values[k] = from_float<V>(to_float(result.values[k]) + sum[k]);
  }
  *reinterpret_cast<Vector<V, N> *>(y + i) = result;
}

template <class V>
__device__ inline void sum_short_lists(const V *x, const V *base, V *y, const Lists &lists, const ListedRows &p) {
  constexpr unsigned int N = PER_THREAD<V>;
  const size_t n = size_t{p.O} * p.V * p.I;
  if (p.I % N == 0) {
    const Part<N> part(n);
    if (part.count != 0) sum_short_list<N>(x, base, y, lists, p, static_cast<uint32_t>(part.first));
  } else {
    for_scattered<N>(n, [&](uint32_t i) { sum_short_list<1>(x, base, y, lists, p, i); });
  }
}

// The list of the block's entry, if it is long and that the first multiple of LONG in it: each long list has one.
template <unsigned int N, class V, class KeyAt>
__device__ inline void sum_long_list(const V *x, const V *base, V *y, const Lists &lists, const ListedRows &p,
                                     KeyAt key_at) {
  constexpr uint32_t WARPS = LONG_THREADS / WARP, COLUMNS = WARP * N;
  __shared__ float sums[WARPS][COLUMNS];
  const uint32_t chunks = (p.I + COLUMNS - 1) / COLUMNS, groups = (p.K + LONG - 1) / LONG;
  const uint32_t cell = blockIdx.x / chunks, o = cell / groups, entry = (cell - o * groups) * LONG;
  const uint32_t column = (blockIdx.x - cell * chunks) * COLUMNS;
  if (entry >= lists.starts[p.V]) return;
  const uint32_t v = key_at(lists.entries[entry]), begin = lists.starts[v], end = lists.starts[v + 1];
  if (end - begin <= LONG || entry - begin >= LONG) return;

  const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  float sum[N] = {};
  if (column + lane * N < p.I)
    add_entries(x + size_t{o} * p.K * p.I + column + lane * N, lists.entries, begin + warp, end, WARPS, p.I, sum);
#pragma unroll
  for (unsigned int k = 0; k < N; ++k) sums[warp][k * WARP + lane] = sum[k];
  __syncthreads();

  const uint32_t c = threadIdx.x;
  if (c >= COLUMNS || column + c >= p.I) return;
  float all = 0.0f;
  for (uint32_t w = 0; w < WARPS; ++w) all += sums[w][c % N * WARP + c / N];
  const size_t at = (size_t{o} * p.V + v) * p.I + column + c;
  y[at] = from_float<V>(base != nullptr ? to_float(base[at]) + all : all);
}

template <class V, class KeyAt>
__device__ inline void sum_long_lists(const V *x, const V *base, V *y, const Lists &lists, const ListedRows &p,
                                      KeyAt key_at) {
  constexpr unsigned int N = PER_THREAD<V>;
  if (p.I % N == 0)
    sum_long_list<N>(x, base, y, lists, p, key_at);
  else
    sum_long_list<1>(x, base, y, lists, p, key_at);
}
