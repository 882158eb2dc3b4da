// Barriers and collectives that not all come to. A line that is a fault says FAULT and its kernel.
#include "../../../kernels/common/cuda/cp-async.cuh"
#include "../../../kernels/common/cuda/ldmatrix.cuh"
#include "../../../kernels/common/cuda/mma.cuh"
#include "../../../kernels/common/cuda/named-barrier.cuh"
#include "../../../kernels/common/cuda/shuffle.cuh"

extern "C" __global__ void exit_before_a_barrier(const float *x, float *y) {
  if (threadIdx.x >= 60) return;
  y[threadIdx.x] = x[threadIdx.x];
  __syncthreads();  // FAULT exit_before_a_barrier
}

extern "C" __global__ void barrier_in_a_branch(const float *x, float *y) {
  if (threadIdx.x < 32) {
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();  // FAULT barrier_in_a_branch
  } else {
    y[threadIdx.x] = 0.0f;
    __syncthreads();  // FAULT barrier_in_a_branch
  }
}

extern "C" __global__ void counts_differ(const float *x, float *y) {
  y[threadIdx.x] = x[threadIdx.x];
  named_barrier_sync(3, threadIdx.x < 32 ? 64 : 32);  // FAULT counts_differ
}

extern "C" __global__ void no_multiple_of_a_warp(const float *x, float *y) {
  y[threadIdx.x] = x[threadIdx.x];
  named_barrier_sync(3, 40);  // FAULT no_multiple_of_a_warp
}

extern "C" __global__ void nobody_comes(const float *x, float *y) {
  y[threadIdx.x] = x[threadIdx.x];
  if (threadIdx.x < 32)
    named_barrier_sync(1, 64);  // FAULT nobody_comes
  else
    named_barrier_sync(2, 64);  // FAULT nobody_comes
}

extern "C" __global__ void lanes_missing(const float *x, float *y) {
  if (threadIdx.x % 32 < 20) y[threadIdx.x] = shuffle_xor(x[threadIdx.x], 1);  // FAULT lanes_missing
}

extern "C" __global__ void not_in_the_mask(const float *x, float *y) {
  y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1);  // FAULT not_in_the_mask
}

extern "C" __global__ void other_lanes_elsewhere(const float *x, float *y) {
  float value = x[threadIdx.x];
  if (threadIdx.x % 32 < 16) {
    value += shuffle_xor(value, 1);  // FAULT other_lanes_elsewhere
  } else {
    y[threadIdx.x] = value;
    value -= 3.0f * shuffle_xor(value, 1);  // FAULT other_lanes_elsewhere
  }
  y[threadIdx.x] = value;
}

extern "C" __global__ void vote_against_shuffle(const float *x, float *y) {
  if (threadIdx.x % 32 < 16)
    y[threadIdx.x] = shuffle_xor(x[threadIdx.x], 1);  // FAULT vote_against_shuffle
  else
    y[threadIdx.x] = static_cast<float>(lanes_where(x[threadIdx.x] > 0.0f) != 0);  // FAULT vote_against_shuffle
}

extern "C" __global__ void warp_at_a_barrier(const float *x, float *y) {
  float value = x[threadIdx.x];
  if (threadIdx.x == 5) __syncthreads();  // FAULT warp_at_a_barrier
  value += shuffle_xor(value, 1);         // FAULT warp_at_a_barrier
  y[threadIdx.x] = value;
}

extern "C" __global__ void product_of_half_a_warp(const float *x, float *y) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x % 32 < 16) mma_m16n8k16(d, a, b, bf16{});  // FAULT product_of_half_a_warp
  y[threadIdx.x] = x[threadIdx.x] + d[0];
}

extern "C" __global__ void matrix_row_misaligned(const float *x, float *y) {
  __shared__ __align__(16) uint16_t tile[8 * 12];
  for (uint32_t e = threadIdx.x; e < 8 * 12; e += blockDim.x) tile[e] = 0;
  __syncthreads();
  uint32_t r[1];
  ldmatrix_x1(r, tile + threadIdx.x % 8 * 12);  // FAULT matrix_row_misaligned
  y[threadIdx.x] = x[threadIdx.x] + static_cast<float>(r[0]);
}

extern "C" __global__ void matrix_in_global_memory(const float *x, float *y) {
  uint32_t r[1];
  ldmatrix_x1(r, x + threadIdx.x % 8 * 4);  // FAULT matrix_in_global_memory
  y[threadIdx.x] = static_cast<float>(r[0]);
}

extern "C" __global__ void copy_not_waited_for(const float *x, float *y) {
  __shared__ __align__(16) float tile[64];
  cp_async_4(&tile[threadIdx.x], &x[threadIdx.x], 4);
  cp_async_commit();
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];  // FAULT copy_not_waited_for
}

extern "C" __global__ void waited_for_an_older_group(const float *x, float *y) {
  __shared__ __align__(16) float tile[2][64];
  for (int stage = 0; stage < 2; ++stage) {
    cp_async_4(&tile[stage][threadIdx.x], &x[threadIdx.x], 4);
    cp_async_commit();
  }
  cp_async_wait<1>();
  y[threadIdx.x] = tile[0][threadIdx.x];
  y[threadIdx.x] = tile[1][threadIdx.x];  // FAULT waited_for_an_older_group
}

// A thread's wait is for its own copies.
extern "C" __global__ void copy_of_another_thread(const float *x, float *y) {
  __shared__ __align__(16) float tile[64];
  cp_async_4(&tile[threadIdx.x], &x[threadIdx.x], 4);
  cp_async_wait_all();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];  // FAULT copy_of_another_thread
}

extern "C" __global__ void copy_misaligned(const float *x, float *y) {
  __shared__ __align__(16) float tile[64];
  cp_async_16(tile, x + 1, 16);  // FAULT copy_misaligned
  cp_async_wait_all();
  y[threadIdx.x] = 0.0f;
}

extern "C" __global__ void copy_past_the_end(const float *x, float *y) {
  __shared__ __align__(16) float tile[4];
  if (threadIdx.x == 0) cp_async_16(tile, x + 60 + 4 * (x[0] >= 0.0f), 4);  // FAULT copy_past_the_end
  cp_async_wait_all();
  y[threadIdx.x] = 0.0f;
}

extern "C" __global__ void trapped(const float *x, float *y) {
  if (x[threadIdx.x] >= 0.0f) __trap();  // FAULT trapped
  y[threadIdx.x] = 0.0f;
}

// A missing barrier that no check can see, as the threads use atomics: the result depends on the order.
extern "C" __global__ void order(uint32_t *count, uint32_t *y) {
  y[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(count, 1u);
}
