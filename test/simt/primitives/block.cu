// Copies, atomics and places of threads.
#include "../../../kernels/common/cuda/cp-async.cuh"
#include "../../../kernels/common/cuda/kernel.cuh"
#include "../../../kernels/common/cuda/reduce.cuh"

// y [3,16]: sixteen bytes, of which 16, 8, 4 are copied as one, and valid[i] of them are there.
extern "C" __global__ void copies(const uint8_t *x, uint8_t *y, const uint32_t *valid) {
  __shared__ __align__(16) uint8_t tile[3][16];
  const uint32_t i = threadIdx.x;
  if (i == 0) cp_async_16(tile[0], x, valid[0]);
  cp_async_commit();
  if (i < 2) cp_async_8(tile[1] + 8 * i, x + 8 * i, min(8u, max(valid[1], 8 * i) - 8 * i));
  cp_async_commit();
  if (i < 4) cp_async_4(tile[2] + 4 * i, x + 4 * i, min(4u, max(valid[2], 4 * i) - 4 * i));
  cp_async_commit();
  cp_async_wait<2>();
  __syncthreads();
  if (i < 16) y[i] = tile[0][i];
  cp_async_wait<0>();
  __syncthreads();
  if (i < 16) y[16 + i] = tile[1][i], y[32 + i] = tile[2][i];
}

// count [9] u32, by 64 threads of 2 blocks; old [128]: what each thread's increment found.
extern "C" __global__ void atomics(uint32_t *count, uint32_t *old, int *sign) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  old[i] = atomicAdd(&count[0], 1u);
  atomicMax(&count[1], i);
  atomicMin(&count[2], i);
  atomicOr(&count[3], 1u << i % 32);
  atomicAnd(&count[4], ~(1u << i % 7));
  atomicXor(&count[5], i);
  atomicCAS(&count[6], 0u, i + 1);  // the first stays
  atomicInc(&count[7], 99u);
  atomicSub(&count[8], 1u);
  atomicMin(&sign[0], -static_cast<int>(i));
  atomicMax(&sign[1], -static_cast<int>(i));
}

// y [blocks, threads, 2]: place of the block and of the thread, by all three sizes of each.
extern "C" __global__ void places(uint32_t *y) {
  const uint32_t block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const uint32_t thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const uint32_t at = block * blockDim.x * blockDim.y * blockDim.z + thread;
  y[2 * at] = block;
  y[2 * at + 1] = thread;
}

extern "C" __global__ void reversed(const float *x, float *y) {
  DYNAMIC_SHARED(memory);
  float *tile = reinterpret_cast<float *>(memory);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void sums(const float *x, float *y) {
  const float sum = block_sum<128>(x[threadIdx.x]);
  y[threadIdx.x] = sum;
}

struct Params {
  uint8_t a;
  float b;
  uint32_t c[5];
};
extern "C" __global__ void parameters(float *y, float first, Params p, uint64_t last) {
  if (threadIdx.x == 0)
    y[0] = first, y[1] = p.a, y[2] = p.b, y[3] = static_cast<float>(p.c[4]), y[4] = static_cast<float>(last);
}

// y [4]: f32, bf16, f16 and back.
extern "C" __global__ void conversions(const float *x, float *y) {
  const float value = x[threadIdx.x];
  y[threadIdx.x] = to_float(from_float<bf16>(value));
  y[blockDim.x + threadIdx.x] = to_float(from_float<f16>(value));
}
