// matmul/forward (cuda)
// Math      y[b,m,n] = act(sum_k op(a)[b,m,k] op(b)[b,k,n] + bias[n]); with accumulate y += sum + bias
// Shapes    a [B|1,M,K] or [B|1,K,M] · b [B|1,K,N] or [B|1,N,K] · bias [N] · y, preactivation [B,M,N]
// Method    for each 16 of K: tiles of a and b to shared memory, both K-major; outer products from there in registers.
//           The next tiles are fetched into registers while the current ones are multiplied.
// Tiling    a block owns 64 × 64 of y, a thread 4 × 4 of them; 2 × 16 × 68 floats (8.5 KiB) of shared memory
// Launch    grid (column tiles, row tiles, B), 256 threads
// Numerics  f32 on the CUDA cores, one sum per output in the order of k
#include <cstdint>

#include "../common/cuda/activation.cuh"

struct Params {
  uint32_t B, M, N, K;
  uint32_t transposeA, transposeB;
  uint32_t batchedA, batchedB;
  uint32_t activation, accumulate;
  uint32_t hasBias, hasPreactivation;
};

constexpr uint32_t THREADS = 256, TILE = 64, TILE_K = 16, PER_THREAD = 4;
// Rows of 68: a thread's four values stay one aligned float4, and column writes spread over the banks.
constexpr uint32_t PITCH = TILE + 4;
constexpr uint32_t FETCHES = TILE * TILE_K / THREADS;

// One operand as [outer, K]: outer is M for a, N for b. Threads follow the dimension that is contiguous in memory.
struct Operand {
  const float *data;
  uint32_t outer, K;
  bool k_contiguous;

  __device__ void place(uint32_t fetch, uint32_t &i, uint32_t &k) const {
    const uint32_t e = fetch * THREADS + threadIdx.x;
    i = k_contiguous ? e / TILE_K : e % TILE;
    k = k_contiguous ? e % TILE_K : e / TILE;
  }

  __device__ void fetch(uint32_t first, uint32_t first_k, float (&values)[FETCHES]) const {
#pragma unroll
    for (uint32_t f = 0; f < FETCHES; ++f) {
      uint32_t i, k;
      place(f, i, k);
      i += first;
      k += first_k;
      const size_t at = k_contiguous ? size_t{i} * K + k : size_t{k} * outer + i;
      values[f] = i < outer && k < K ? data[at] : 0.0f;
    }
  }

  __device__ void put(const float (&values)[FETCHES], float (&tile)[TILE_K][PITCH]) const {
#pragma unroll
    for (uint32_t f = 0; f < FETCHES; ++f) {
      uint32_t i, k;
      place(f, i, k);
      tile[k][i] = values[f];
    }
  }
};

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_forward_f32(const float *__restrict__ a,        // [B|1,M,K] or [B|1,K,M]
                       const float *__restrict__ b,        // [B|1,K,N] or [B|1,N,K]
                       const float *__restrict__ bias,     // [N]
                       float *__restrict__ y,              // [B,M,N]
                       float *__restrict__ preactivation,  // [B,M,N]
                       const Params p) {
  __shared__ __align__(16) float a_tile[TILE_K][PITCH];
  __shared__ __align__(16) float b_tile[TILE_K][PITCH];
  const uint32_t batch = blockIdx.z, row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
  const uint32_t row = threadIdx.x / 16 * PER_THREAD, column = threadIdx.x % 16 * PER_THREAD;
  const Operand left{a + size_t{batch} * p.batchedA * p.M * p.K, p.M, p.K, p.transposeA == 0};
  const Operand right{b + size_t{batch} * p.batchedB * p.K * p.N, p.N, p.K, p.transposeB == 1};

  float sums[PER_THREAD][PER_THREAD] = {};
  float next_a[FETCHES], next_b[FETCHES];
  left.fetch(row0, 0, next_a);
  right.fetch(column0, 0, next_b);
  for (uint32_t k0 = 0; k0 < p.K; k0 += TILE_K) {
    left.put(next_a, a_tile);
    right.put(next_b, b_tile);
    __syncthreads();
    left.fetch(row0, k0 + TILE_K, next_a);
    right.fetch(column0, k0 + TILE_K, next_b);
#pragma unroll
    for (uint32_t k = 0; k < TILE_K; ++k) {
      const float4 a_k = *reinterpret_cast<const float4 *>(&a_tile[k][row]);
      const float4 b_k = *reinterpret_cast<const float4 *>(&b_tile[k][column]);
      const float a_values[PER_THREAD] = {a_k.x, a_k.y, a_k.z, a_k.w};
      const float b_values[PER_THREAD] = {b_k.x, b_k.y, b_k.z, b_k.w};
#pragma unroll
      for (uint32_t i = 0; i < PER_THREAD; ++i) {
#pragma unroll
        for (uint32_t j = 0; j < PER_THREAD; ++j) sums[i][j] = fmaf(a_values[i], b_values[j], sums[i][j]);
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (uint32_t i = 0; i < PER_THREAD; ++i) {
#pragma unroll
    for (uint32_t j = 0; j < PER_THREAD; ++j) {
      const uint32_t m = row0 + row + i, n = column0 + column + j;
      if (m >= p.M || n >= p.N) continue;
      const size_t at = (size_t{batch} * p.M + m) * p.N + n;
      const float sum = p.hasBias ? sums[i][j] + bias[n] : sums[i][j];
      if (p.hasPreactivation) preactivation[at] = sum;
      y[at] = p.accumulate ? y[at] + sum : activate(p.activation, sum);
    }
  }
}
