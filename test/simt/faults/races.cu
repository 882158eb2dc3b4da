// Two threads, one address, one of them writing, nothing between them. A line that is a fault says FAULT and its kernel.
#include "../../../kernels/common/cuda/named-barrier.cuh"
#include "../../../kernels/common/cuda/reduce.cuh"

extern "C" __global__ void clean(const float *x, float *y) {
  __shared__ float tile[64];
  for (int round = 0; round < 3; ++round) {
    __syncthreads();
    tile[threadIdx.x] = x[threadIdx.x] + static_cast<float>(round);
    __syncthreads();
    y[threadIdx.x] = tile[63 - threadIdx.x];
  }
  const float sum = block_sum<64>(x[threadIdx.x]);
  if (threadIdx.x == 0) y[0] = sum;
}

extern "C" __global__ void read_after_write(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // FAULT read_after_write
}

extern "C" __global__ void write_after_read(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // FAULT write_after_read
  tile[threadIdx.x] = 0.0f;                 // FAULT write_after_read
}

// Read by all lanes of both warps: who reads last must not hide the others.
extern "C" __global__ void write_after_many_reads(const float *x, float *y) {
  __shared__ float value;
  if (threadIdx.x == 0) value = x[0];
  __syncthreads();
  y[threadIdx.x] = value;                         // FAULT write_after_many_reads
  if (threadIdx.x == 40) value = y[threadIdx.x];  // FAULT write_after_many_reads
}

extern "C" __global__ void two_writes(const float *x, float *y) {
  __shared__ float value;
  value = x[threadIdx.x];  // FAULT two_writes
  __syncthreads();
  y[threadIdx.x] = value;
}

extern "C" __global__ void in_a_warp(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[threadIdx.x ^ 1];  // FAULT in_a_warp
}

extern "C" __global__ void in_a_warp_ordered(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// A shuffle orders no memory.
extern "C" __global__ void shuffle_is_no_barrier(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  const float other = shuffle_xor(x[threadIdx.x], 1);
  y[threadIdx.x] = other + tile[threadIdx.x ^ 1];  // FAULT shuffle_is_no_barrier
}

extern "C" __global__ void global_in_a_block(float *, float *y) {
  y[threadIdx.x] = 1.0f;
  y[threadIdx.x ^ 33] = 2.0f;  // FAULT global_in_a_block
}

extern "C" __global__ void between_blocks(const float *x, float *y) {
  y[threadIdx.x] = x[threadIdx.x];  // FAULT between_blocks
}

extern "C" __global__ void halves_of_a_word(uint16_t *x, uint16_t *y) {
  __shared__ uint16_t tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

extern "C" __global__ void bytes_of_a_word(uint8_t *x, uint8_t *y) {
  __shared__ uint8_t tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// Blocks agree by a counter who is last, and that one reads what the others wrote.
extern "C" __global__ void last_block(uint32_t *count, uint32_t *y) {
  __shared__ uint32_t place;
  if (threadIdx.x == 0) y[blockIdx.x] = blockIdx.x + 1;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) place = atomicAdd(count, 1u);
  __syncthreads();
  if (place + 1 != gridDim.x || threadIdx.x != 0) return;
  uint32_t sum = 0;
  for (uint32_t block = 0; block < gridDim.x; ++block) sum += y[block];
  y[0] = sum;
}

extern "C" __global__ void atomic_and_plain(uint32_t *count, uint32_t *y) {
  if (threadIdx.x == 0) *count = 3;  // FAULT atomic_and_plain
  atomicAdd(count, 1u);              // FAULT atomic_and_plain
  y[threadIdx.x] = 0;
}

// Warp 0 makes, warp 1 takes: full[i] and empty[i] are named barriers.
__device__ void pass_on(const float *x, float *y, bool wait_until_taken) {
  __shared__ float tile[32];
  const uint32_t lane = threadIdx.x % 32;
  for (int round = 0; round < 4; ++round) {
    if (threadIdx.x < 32) {
      if (wait_until_taken && round > 0) named_barrier_sync(2, 64);
      tile[lane] = x[lane] + static_cast<float>(round);  // FAULT taken_too_late
      named_barrier_arrive(1, 64);
    } else {
      named_barrier_sync(1, 64);
      y[lane] = tile[31 - lane];  // FAULT taken_too_late
      if (wait_until_taken && round < 3) named_barrier_arrive(2, 64);
    }
  }
}
extern "C" __global__ void passed_on(const float *x, float *y) { pass_on(x, y, true); }
extern "C" __global__ void taken_too_late(const float *x, float *y) { pass_on(x, y, false); }
