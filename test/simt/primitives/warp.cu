// Each primitive of a warp once, its operands and results in memory: test/simt/primitives.test.ts has the definitions.
#include "../../../kernels/common/cuda/ldmatrix.cuh"
#include "../../../kernels/common/cuda/mma.cuh"
#include "../../../kernels/common/cuda/shuffle.cuh"

// y [5,32]: index, up, down, xor in segments of 8 lanes, and the index of the whole warp.
extern "C" __global__ void shuffles(const uint32_t *x, uint32_t *y) {
  const uint32_t lane = threadIdx.x, value = x[lane];
  y[lane] = __shfl_sync(ALL_LANES, value, static_cast<int>(lane * 3), 8);
  y[32 + lane] = __shfl_up_sync(ALL_LANES, value, 3, 8);
  y[64 + lane] = __shfl_down_sync(ALL_LANES, value, 3, 8);
  y[96 + lane] = __shfl_xor_sync(ALL_LANES, value, 12, 8);
  y[128 + lane] = shuffle(value, 31 - lane);
}

extern "C" __global__ void wide_shuffle(const uint64_t *x, uint64_t *y) {
  y[threadIdx.x] = shuffle_xor(x[threadIdx.x], 16);
}

// y [7,32]: ballot, any, all, match, sum, signed least, largest.
extern "C" __global__ void votes(const uint32_t *x, uint32_t *y) {
  const uint32_t lane = threadIdx.x, value = x[lane];
  y[lane] = lanes_where(value % 3 == 1);
  y[32 + lane] = any_lane(value == 5);
  y[64 + lane] = all_lanes(value == 5);
  y[96 + lane] = __match_any_sync(ALL_LANES, value % 4);
  y[128 + lane] = __reduce_add_sync(ALL_LANES, value);
  y[160 + lane] = static_cast<uint32_t>(__reduce_min_sync(ALL_LANES, static_cast<int>(value)));
  y[192 + lane] = __reduce_max_sync(ALL_LANES, value);
}

// Two halves of a warp, each for itself.
extern "C" __global__ void halves(const uint32_t *x, uint32_t *y) {
  const uint32_t mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
  y[threadIdx.x] = __reduce_add_sync(mask, x[threadIdx.x]);
}

// a [32,4], b [32,2], d [32,4]: the registers of each lane.
template <class Multiply>
__device__ void multiply(const uint32_t *a, const uint32_t *b, float *d, const Multiply &product) {
  const uint32_t lane = threadIdx.x;
  uint32_t left[4], right[2];
  float sums[4];
  for (uint32_t i = 0; i < 4; ++i) left[i] = a[4 * lane + i], sums[i] = d[4 * lane + i];
  for (uint32_t i = 0; i < 2; ++i) right[i] = b[2 * lane + i];
  product(sums, left, right);
  for (uint32_t i = 0; i < 4; ++i) d[4 * lane + i] = sums[i];
}
using Sums = float (&)[4];
using Left = const uint32_t (&)[4];
using Right = const uint32_t (&)[2];
extern "C" __global__ void mma_bf16(const uint32_t *a, const uint32_t *b, float *d) {
  multiply(a, b, d, [](Sums s, Left l, Right r) { mma_m16n8k16(s, l, r, bf16{}); });
}
extern "C" __global__ void mma_f16(const uint32_t *a, const uint32_t *b, float *d) {
  multiply(a, b, d, [](Sums s, Left l, Right r) { mma_m16n8k16(s, l, r, f16{}); });
}
extern "C" __global__ void mma_tf32(const uint32_t *a, const uint32_t *b, float *d) {
  multiply(a, b, d, [](Sums s, Left l, Right r) { mma_m16n8k8_tf32(s, l, r); });
}

extern "C" __global__ void round_to_tf32(const float *x, uint32_t *y) { y[threadIdx.x] = to_tf32(x[threadIdx.x]); }

// x [32,8]: four matrices; lane l names row l. y [32,count] registers.
template <uint32_t COUNT, class Load>
__device__ void load(const uint16_t *x, uint32_t *y, const Load &load_rows) {
  __shared__ __align__(16) uint16_t rows[32][8];
  const uint32_t lane = threadIdx.x;
  for (uint32_t e = 0; e < 8; ++e) rows[lane][e] = x[8 * lane + e];
  __syncwarp();
  uint32_t r[COUNT];
  // Lanes whose address is ignored name one that would be a fault.
  load_rows(r, lane < 8 * COUNT ? static_cast<const void *>(rows[lane]) : x + 1);
  for (uint32_t i = 0; i < COUNT; ++i) y[COUNT * lane + i] = r[i];
}
#define LOAD(COUNT, name)                                                          \
  extern "C" __global__ void name##_all(const uint16_t *x, uint32_t *y) {          \
    load<COUNT>(x, y, [](uint32_t(&r)[COUNT], const void *row) { name(r, row); }); \
  }
LOAD(1, ldmatrix_x1)
LOAD(2, ldmatrix_x2)
LOAD(4, ldmatrix_x4)
LOAD(1, ldmatrix_x1_trans)
LOAD(2, ldmatrix_x2_trans)
LOAD(4, ldmatrix_x4_trans)

// What ldmatrix has loaded, stmatrix puts back: y = x.
extern "C" __global__ void there_and_back(const uint16_t *x, uint16_t *y) {
  __shared__ __align__(16) uint16_t rows[32][8];
  __shared__ __align__(16) uint16_t again[32][8];
  const uint32_t lane = threadIdx.x;
  for (uint32_t e = 0; e < 8; ++e) rows[lane][e] = x[8 * lane + e];
  __syncwarp();
  uint32_t r[4];
  ldmatrix_x4_trans(r, rows[lane]);
  stmatrix_x4_trans(again[lane], r);
  __syncwarp();
  for (uint32_t e = 0; e < 8; ++e) y[8 * lane + e] = again[lane][e];
}
