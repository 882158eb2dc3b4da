// Rows picked by an index, for copy/index-select and embedding/forward.
#pragma once
#include "elements.cuh"
#include "fault.cuh"

// y[o,k,:] = x[o, index[k], :]; 0 and a fault where index[k] is outside [0, V). x [O,V,I], y [O,K,I]. Where rows are whole
// vectors a thread moves one, else elements go round the block's threads. The first element of a row reports its fault.
template <class Word>
__device__ inline void select_rows(const Word *x, const uint32_t *index, Word *y, uint32_t *faults, uint32_t O,
                                   uint32_t V, uint32_t K, uint32_t I, uint32_t label) {
  constexpr unsigned int N = PER_THREAD<Word>;
  // Where element i of y comes from; null where from nowhere.
  const auto source = [&](uint32_t i) -> const Word * {
    const uint32_t row = i / I, c = i - row * I, o = row / K, k = row - o * K;
    const uint32_t v = index[k];  // a negative one is a large one
    if (v < V) return x + (size_t{o} * V + v) * I + c;
    if (c == 0) report_bad_index(faults, label, k, v);
    return nullptr;
  };
  const size_t n = size_t{O} * K * I;
  if (I % N == 0) {
    const Part<N> part(n);
    if (part.count == 0) return;
    const Word *from = source(static_cast<uint32_t>(part.first));
    Vector<Word, N> values = {};
    if (from != nullptr) values = *reinterpret_cast<const Vector<Word, N> *>(from);
    part.store(y, [&](unsigned int k) { return values.values[k]; });
  } else {
    for_scattered<N>(n, [&](uint32_t i) {
      const Word *from = source(i);
      y[i] = from != nullptr ? *from : Word{0};
    });
  }
}
