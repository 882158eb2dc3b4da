// attention/backward (cuda)
// Math      w = exp(scale q·k - lse), p = w drop; dscore[i,j] = w (drop dy[i]·v[j] - delta[i]), delta[i] = dy[i]·y[i];
//           dv[j] = Σ_i p[i,j] dy[i];  dq[i] = scale Σ_j dscore[i,j] k[j];  dk[j] = scale Σ_i dscore[i,j] q[i]
// Shapes    dy, q, y, dq [B,L,H,D] · k, v, dk, dv [B,S,G,D] · mask [B,kvCapacity] i32 · prefix and its gradients [P,G,D] ·
//           lse [B,H,L] f32 · scratch [B,H,L] of QueryScalars
// Method    delta; then dq, a block per tile of queries; dk and dv, a block per tile of keys. Each recomputes the weights
//           from lse and owns what it writes: no atomics, sums in the order of keys, or of heads and queries.
//           Each in the header of its name: *_tiled on tensor cores, 16-bit values; *_plain in f32.
// Tiling    WIDTH, D rounded up: one symbol each; of the tiled ones a second with dropout, whose random numbers take registers
// Launch    delta: backward-delta.cuh; query: B H heads, tiles of queries, in x; key: G heads, tiles of prefix keys, then
//           B G heads, tiles of keys, in x; both in the order of block_place, so that the longest come first
// Numerics  f32 sums; stores round once. delta reads the stored y, so a half type's rounding of y is part of it
// Limits    D <= 256
#include "backward-key-tiled.cuh"
#include "backward-plain.cuh"

#define BUFFERS(V)                                         \
  const Value_##V *dy,                /* [B,L,H,D] */      \
      const Value_##V *q,             /* [B,L,H,D] */      \
      const Value_##V *k,             /* [B,S,G,D] */      \
      const Value_##V *v,             /* [B,S,G,D] */      \
      const int32_t *mask,            /* [B,kvCapacity] */ \
      const Value_##V *prefix_keys,   /* [P,G,D] */        \
      const Value_##V *prefix_values, /* [P,G,D] */        \
      const uint32_t *random,         /* [4] */            \
      const Value_##V *y,             /* [B,L,H,D] */      \
      const float *lse,               /* [B,H,L] */        \
      Value_##V *dq,                  /* [B,L,H,D] */      \
      Value_##V *dk,                  /* [B,S,G,D] */      \
      Value_##V *dv,                  /* [B,S,G,D] */      \
      Value_##V *dprefix_keys,        /* [P,G,D] */        \
      Value_##V *dprefix_values,      /* [P,G,D] */        \
      QueryScalars *rows,             /* [B,H,L] */        \
      const Params p
// What a kernel leaves alone.
template <class... T>
__device__ inline void unused(const T &...) {}

#define DELTA(V)                                                                                         \
  extern "C" __global__ void __launch_bounds__(DELTA_THREADS) attention_backward_delta_##V(BUFFERS(V)) { \
    unused(q, k, v, mask, prefix_keys, prefix_values, random, dq, dk, dv, dprefix_keys, dprefix_values); \
    backward_delta(dy, y, lse, rows, p);                                                                 \
  }
FOR_FLOATS(DELTA)

#define QUERY_TILED_SYMBOL(V, SYMBOL, WIDTH, DROPS)                                      \
  extern "C" __global__ void __launch_bounds__(BACKWARD_THREADS, 2) SYMBOL(BUFFERS(V)) { \
    unused(y, lse, dk, dv, dprefix_keys, dprefix_values);                                \
    const Inputs<Value_##V> in{q, k, v, mask, prefix_keys, prefix_values, random};       \
    backward_query_tiled<Value_##V, WIDTH, DROPS>(dy, in, dq, rows, p);                  \
  }
#define QUERY_TILED(V, WIDTH)                                                       \
  QUERY_TILED_SYMBOL(V, attention_backward_query_tiled_##WIDTH##_##V, WIDTH, false) \
  QUERY_TILED_SYMBOL(V, attention_backward_query_tiled_##WIDTH##_drops_##V, WIDTH, true)
#define QUERY_TILED_WIDTHS(V) \
  QUERY_TILED(V, 32) QUERY_TILED(V, 64) QUERY_TILED(V, 96) QUERY_TILED(V, 128) QUERY_TILED(V, 256)
FOR_HALVES(QUERY_TILED_WIDTHS)

#define KEY_TILED_SYMBOL(V, SYMBOL, WIDTH, OF, DROPS)                                                                 \
  extern "C" __global__ void __launch_bounds__(BACKWARD_THREADS, 2) SYMBOL(BUFFERS(V)) {                              \
    unused(y, lse, dq);                                                                                               \
    const Inputs<Value_##V> in{q, k, v, mask, prefix_keys, prefix_values, random};                                    \
    backward_key_tiled<Value_##V, WIDTH, Gradient::OF, DROPS>(dy, in, dk, dv, dprefix_keys, dprefix_values, rows, p); \
  }
#define KEY_TILED(V, NAME, WIDTH, OF)                                                    \
  KEY_TILED_SYMBOL(V, attention_backward_##NAME##_tiled_##WIDTH##_##V, WIDTH, OF, false) \
  KEY_TILED_SYMBOL(V, attention_backward_##NAME##_tiled_##WIDTH##_drops_##V, WIDTH, OF, true)
#define KEY_TILED_WIDTHS(V)    \
  KEY_TILED(V, key, 32, BOTH)  \
  KEY_TILED(V, key, 64, BOTH)  \
  KEY_TILED(V, key, 96, BOTH)  \
  KEY_TILED(V, key, 128, BOTH) \
  KEY_TILED(V, key, 256, KEYS) \
  KEY_TILED(V, value, 256, VALUES)
FOR_HALVES(KEY_TILED_WIDTHS)

#define PLAIN(WIDTH)                                                                                         \
  extern "C" __global__ void __launch_bounds__(PLAIN_THREADS, 1)                                             \
      attention_backward_query_plain_##WIDTH##_f32(BUFFERS(f32)) {                                           \
    unused(y, lse, dk, dv, dprefix_keys, dprefix_values);                                                    \
    backward_query_plain<WIDTH>(dy, {q, k, v, mask, prefix_keys, prefix_values, random}, dq, rows, p);       \
  }                                                                                                          \
  extern "C" __global__ void __launch_bounds__(PLAIN_THREADS, 1)                                             \
      attention_backward_key_plain_##WIDTH##_f32(BUFFERS(f32)) {                                             \
    unused(y, lse, dq);                                                                                      \
    backward_key_plain<WIDTH>(dy, {q, k, v, mask, prefix_keys, prefix_values, random}, dk, dv, dprefix_keys, \
                              dprefix_values, rows, p);                                                      \
  }
PLAIN(64)
PLAIN(128)
PLAIN(256)
