// Accesses that memory does not allow. A line that is a fault says FAULT and the name of its kernel.
#include "../../../kernels/common/cuda/kernel.cuh"

extern "C" __global__ void clean(const float *x, float *y) { y[threadIdx.x] = 2.0f * x[threadIdx.x]; }

extern "C" __global__ void read_past_the_end(const float *x, float *y) {
  y[threadIdx.x] = x[threadIdx.x + 1];  // FAULT read_past_the_end
}

extern "C" __global__ void write_past_the_end(const float *x, float *y) {
  const float value = x[threadIdx.x];
  y[threadIdx.x + 1] = value;  // FAULT write_past_the_end
}

extern "C" __global__ void read_before_the_start(const float *x, float *y) {
  const float *before = x - 1;
  y[threadIdx.x] = before[threadIdx.x];  // FAULT read_before_the_start
}

extern "C" __global__ void across_the_end(const float *x, float *y) {
  const float4 values = *reinterpret_cast<const float4 *>(x + 28 + threadIdx.x / 31 * 4);  // FAULT across_the_end
  y[threadIdx.x] = values.x;
}

extern "C" __global__ void null_pointer(const float *x, float *) {
  const float *nothing = nullptr;
  const_cast<float *>(x)[threadIdx.x] = nothing[threadIdx.x];  // FAULT null_pointer
}

extern "C" __global__ void misaligned(const float *x, float *y) {
  const float2 pair = *reinterpret_cast<const float2 *>(x + threadIdx.x % 2);  // FAULT misaligned
  y[threadIdx.x] = pair.x;
}

extern "C" __global__ void misaligned_bulk(const bf16 *x, bf16 *y) {
  using Eight = Vector<bf16, 8>;
  const Eight eight = *reinterpret_cast<const Eight *>(x + 4 * (threadIdx.x == 9));  // FAULT misaligned_bulk
  y[threadIdx.x] = eight.values[0];
}

extern "C" __global__ void unwritten_global(const float *x, float *y) {
  const float value = x[threadIdx.x];
  y[threadIdx.x] += value;  // FAULT unwritten_global
}

extern "C" __global__ void unwritten_shared(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];  // FAULT unwritten_shared
}

// What one block has written, the next must not read.
extern "C" __global__ void shared_of_another_block(const float *x, float *y) {
  __shared__ float kept[32];
  if (blockIdx.x == 0) kept[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = kept[threadIdx.x];  // FAULT shared_of_another_block
}

extern "C" __global__ void past_static_shared(const float *x, float *y) {
  __shared__ float tile[32];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];  // FAULT past_static_shared
}

extern "C" __global__ void past_dynamic_shared(const float *x, float *y) {
  DYNAMIC_SHARED(memory);
  float *tile = reinterpret_cast<float *>(memory);
  tile[threadIdx.x] = x[threadIdx.x];  // FAULT past_dynamic_shared
  y[threadIdx.x] = tile[threadIdx.x];
}

__device__ __noinline__ float fetch(const float *x, uint32_t i) {
  return x[i];  // FAULT inside_a_function
}

extern "C" __global__ void inside_a_function(const float *x, float *y) { y[threadIdx.x] = fetch(x, threadIdx.x + 1); }

// Bytes beyond those that are read from the fourth on of one row: a struct copied whole.
struct Row {
  float values[6];
};
extern "C" __global__ void whole_struct(const float *x, float *y) {
  const Row row = *reinterpret_cast<const Row *>(x + 27 + threadIdx.x * 0);  // FAULT whole_struct
  y[threadIdx.x] = row.values[threadIdx.x % 6];
}

extern "C" __global__ void __launch_bounds__(16) bounded(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }
