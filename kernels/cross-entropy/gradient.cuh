// What cross-entropy/backward and cross-entropy/backward-in-place share.
// Method    a thread reads four vectors of a row and then writes their gradients: logits and dlogits may be the same memory
// Tiling    a block owns PIECE bytes of a row
// Launch    `gradient` in kernels.ts: grid (T pieces), 256 threads
#pragma once
#include "../common/cuda/exp.cuh"
#include "../common/cuda/held-row.cuh"

// Also in kernels.ts.
constexpr unsigned int THREADS = 256, VECTORS = 4, PIECE = 16 * THREADS * VECTORS;

// A block's part of a row: the vectors of its threads.
struct RowPiece {
  static constexpr unsigned int HELD = VECTORS, threads = THREADS;
  static constexpr bool exists = true;
  size_t row;
  uint32_t piece;
  unsigned int thread;

  __device__ explicit RowPiece(uint32_t pieces)
      : row(blockIdx.x / pieces), piece(blockIdx.x % pieces), thread(piece * THREADS * VECTORS + threadIdx.x) {}
};

// dy is [T] or [1] f32, scale [1] f32 or absent.
template <class V>
__device__ void gradient(const float *dy, const V *logits, const int32_t *target, const float *maximum,
                         const float *log_sum, const float *scale, V *dlogits, const Params &p) {
  // Up to 15 bytes of a row's first vector belong to the row before.
  const RowPiece piece(static_cast<uint32_t>((size_t{p.V} * sizeof(V) + 15 + PIECE - 1) / PIECE));
  const Columns<V> columns(piece, p.V);
  const V *x = logits + columns.start;
  V *dx = dlogits + columns.start;
  const size_t t = piece.row;
  const auto wanted = static_cast<uint32_t>(target[t]);
  if (wanted >= p.V || wanted == p.ignoreIndex) {
    for_vectors(piece, columns, [&](unsigned int, int c) { columns.store(dx, c, Vector<V, WIDTH<V>>{}); });
    return;
  }

  const float g = dy[p.perToken ? t : 0] * (scale ? *scale : 1.0f);
  const float uniform = p.smoothing / static_cast<float>(p.V);
  const float m = maximum[t], log_s = log_sum[t];
  // expm1 at the target, where exp - 1 would cancel.
  map_row(
      piece, columns, dx,
      [&](uint32_t v, float logit) {
        const float log_probability = logit - m - log_s;
        if (v == wanted) return g * (expm1f(log_probability) + p.smoothing - uniform);
        return g * (exp_or_zero(log_probability) - uniform);
      },
      HeldRow<V, RowPiece>(columns, piece, x));
}
