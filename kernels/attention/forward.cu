// attention/forward (cuda)
// Math      y[b,i,h,:] = sum_j p_ij r_ij v[b,j,g,:];  p_ij = exp(scale q·k_j - lse_i) over the keys that i sees,
//           r_ij the dropout factor, g = h / (H / G);  lse = log sum_j exp(scale q·k_j)
// Shapes    q [B,L,H,D], k, v [B,S,G,D] with pitch and offset · mask [B,kvCapacity] i32 · prefixKeys, prefixValues [P,G,D]
//           random [4] u32 · y [B,L,H,D] · lse [B,H,L] f32 · scratch: partial results, forward-few.cuh
// Method    forward_tiled: tensor cores, 16-bit values; forward_plain: f32; forward_few: few rows share a key/value head.
//           Each in the header of its name.
// Tiling    WIDTH, D rounded up: one symbol each; of the tiled ones a second with dropout, whose random numbers take registers
// Launch    tiled, plain: B H heads, tiles of queries, folded into x in the order of block_place, so that of a causal mask
//           the last queries come first; few: forward-few.cuh
// Numerics  f32 scores and sums in base 2; hidden keys get a finite score and weight 0; a row that sees none: y = 0,
//           lse = 1e30 (NO_KEYS)
// Limits    D <= 256
#include "forward-few.cuh"
#include "forward-plain.cuh"
#include "forward-tiled.cuh"

#define BUFFERS(V)                                         \
  const Value_##V *q,                 /* [B,L,H,D] */      \
      const Value_##V *k,             /* [B,S,G,D] */      \
      const Value_##V *v,             /* [B,S,G,D] */      \
      const int32_t *mask,            /* [B,kvCapacity] */ \
      const Value_##V *prefix_keys,   /* [P,G,D] */        \
      const Value_##V *prefix_values, /* [P,G,D] */        \
      const uint32_t *random,         /* [4] */            \
      Value_##V *y,                   /* [B,L,H,D] */      \
      float *lse,                     /* [B,H,L] */        \
      float *scratch, const Params p

#define TILED_SYMBOL(V, SYMBOL, WIDTH, DROPS)                                                               \
  extern "C" __global__ void __launch_bounds__(FORWARD_THREADS, 2) SYMBOL(BUFFERS(V)) {                     \
    (void)scratch;                                                                                          \
    forward_tiled<Value_##V, WIDTH, DROPS>({q, k, v, mask, prefix_keys, prefix_values, random}, y, lse, p); \
  }
#define TILED(V, WIDTH)                                                \
  TILED_SYMBOL(V, attention_forward_tiled_##WIDTH##_##V, WIDTH, false) \
  TILED_SYMBOL(V, attention_forward_tiled_##WIDTH##_drops_##V, WIDTH, true)
#define TILED_WIDTHS(V) TILED(V, 32) TILED(V, 64) TILED(V, 96) TILED(V, 128) TILED(V, 256)
FOR_HALVES(TILED_WIDTHS)

#define PLAIN(WIDTH)                                                                                                   \
  extern "C" __global__ void __launch_bounds__(PLAIN_THREADS, 1) attention_forward_plain_##WIDTH##_f32(BUFFERS(f32)) { \
    (void)scratch;                                                                                                     \
    forward_plain<WIDTH>({q, k, v, mask, prefix_keys, prefix_values, random}, y, lse, p);                              \
  }
PLAIN(64)
PLAIN(128)
PLAIN(256)

#define FEW(V, ROWS)                                                                                         \
  extern "C" __global__ void __launch_bounds__(FEW_THREADS) attention_forward_few_##ROWS##_##V(BUFFERS(V)) { \
    forward_few<Value_##V, ROWS>({q, k, v, mask, prefix_keys, prefix_values, random}, y, lse, scratch, p);   \
  }
#define FEW_OF(V) FEW(V, 1) FEW(V, 2) FEW(V, 4) FEW(V, 8)
FOR_FLOATS(FEW_OF)

#define FEW_JOIN(V)                                                                                      \
  extern "C" __global__ void __launch_bounds__(FEW_THREADS) attention_forward_few_join_##V(BUFFERS(V)) { \
    (void)q, (void)k, (void)v, (void)mask, (void)prefix_keys, (void)prefix_values, (void)random;         \
    forward_few_join(scratch, y, lse, p);                                                                \
  }
FOR_FLOATS(FEW_JOIN)
