// Operands of a product in global memory. What a product needs of one, so that kernels may bring their own (weights that
// are widened while loading, say):
//   ALONG_K      whether lines are items or k (gemm-tile.cuh)
//   IN_ORDER     whether line i lies at i; otherwise a thread asks for `uint32_t entry(i)` long before it needs `line(entry)`:
//                both are NO_LINE where there is none
//   void chunk(V *to, line, down, at)   16 bytes of shared memory from values `at` on of the line `down` behind that one (0
//                where not IN_ORDER), zeros where there are none; by cp.async or at once
#pragma once
#include "cp-async.cuh"
#include "gemm-tile.cuh"
#include "storage.cuh"

constexpr uint32_t NO_LINE = 0xffffffffu;

// Exact quotients below 2^31 by one divisor, without a division for each.
struct Divisor {
  uint32_t divisor, inverse;

  __device__ explicit Divisor(uint32_t d) : divisor(d), inverse(0xffffffffu / d) {}
  __device__ uint32_t quotient(uint32_t n) const {
    const uint32_t q = __umulhi(n, inverse);  // at most one too small
    return q + (n - q * divisor >= divisor ? 1u : 0u);
  }
};

// Rows of a matrix: those from the first on, or, gathered, row order[i] / choices, kept within the matrix.
struct Rows {
  const int32_t *order;
  Divisor choices;
  uint32_t last;

  __device__ Rows() : order(nullptr), choices(1), last(NO_LINE) {}
  __device__ Rows(const int32_t *order, uint32_t choices, uint32_t rows)
      : order(order), choices(choices), last(rows == 0 ? 0 : rows - 1) {}
  // What is read of row i, and the row that it says.
  __device__ uint32_t entry(uint32_t i) const { return order ? static_cast<uint32_t>(order[i]) : i; }
  __device__ uint32_t of(uint32_t entry) const {
    const uint32_t row = choices.quotient(entry & 0x7fffffffu);
    return row < last ? row : last;
  }
  __device__ uint32_t at(uint32_t i) const { return of(entry(i)); }
};

// 16 bytes of shared memory from `count` values, zeros behind them. ALIGNED: `from` is a multiple of 16 bytes.
template <class V>
__device__ inline void copy_chunk(V *to, const V *from, uint32_t count, bool aligned) {
  if (aligned) return cp_async_16(to, from, count * static_cast<uint32_t>(sizeof(V)));
  Vector<V, CHUNK<V>> values;
#pragma unroll
  for (uint32_t i = 0; i < CHUNK<V>; ++i) values.values[i] = i < count ? from[i] : V{};
  *reinterpret_cast<Vector<V, CHUNK<V>> *>(to) = values;
}

// A matrix of `lines` lines of `extent` values, `step` apart. WHOLE promises that all chunks are whole and aligned;
// otherwise `aligned` tells. GATHERED: `rows` tells where lines are.
template <class V, bool ALONG_K_, bool WHOLE, bool GATHERED = false>
struct Matrix {
  static constexpr bool ALONG_K = ALONG_K_, IN_ORDER = !GATHERED;
  const V *data;
  uint32_t lines, extent, step;
  bool aligned = WHOLE;
  Rows rows = {};

  __device__ uint32_t entry(uint32_t i) const { return i < lines ? rows.entry(i) : NO_LINE; }
  __device__ uint32_t line(uint32_t entry) const { return entry == NO_LINE ? NO_LINE : rows.of(entry); }
  __device__ void chunk(V *to, uint32_t line, uint32_t down, uint32_t at) const {
    const bool there = (IN_ORDER ? line + down < lines : line != NO_LINE) && at < extent;
    const V *from = data + size_t{line} * step + at + size_t{down} * step;
    const uint32_t left = there ? (WHOLE || extent - at >= CHUNK<V> ? CHUNK<V> : extent - at) : 0;
    copy_chunk(to, from, left, WHOLE || aligned);
  }
};

// The right operand of a gated product: items of a warp are UNIT of the gate, then UNIT of what it multiplies, `outputs`
// items further on, so that a warp has both of an output. UNIT is half of the tile's WARP_COLUMNS.
template <class V, bool ALONG_K_, bool WHOLE, uint32_t UNIT>
struct PairedMatrix {
  static constexpr bool ALONG_K = ALONG_K_, IN_ORDER = false;
  const V *data;
  uint32_t K, outputs, step;
  bool aligned = WHOLE;

  __device__ static uint32_t output(uint32_t item) { return item / (2 * UNIT) * UNIT + item % UNIT; }
  __device__ uint32_t half(uint32_t item) const { return item / UNIT % 2 * outputs; }
  __device__ uint32_t entry(uint32_t i) const { return i; }
  __device__ uint32_t line(uint32_t i) const {
    if constexpr (ALONG_K) return output(i) < outputs ? half(i) + output(i) : NO_LINE;
    return i < K ? i : NO_LINE;
  }
  __device__ void chunk(V *to, uint32_t line, uint32_t, uint32_t at) const {
    const uint32_t from = ALONG_K ? at : output(at), extent = ALONG_K ? K : outputs;
    const bool there = line != NO_LINE && from < extent;
    const uint32_t left = there ? (extent - from < CHUNK<V> ? extent - from : CHUNK<V>) : 0;
    const size_t place = size_t{line} * step + from + (ALONG_K ? 0 : half(at));
    copy_chunk(to, data + place, left, WHOLE || aligned);
  }
};
