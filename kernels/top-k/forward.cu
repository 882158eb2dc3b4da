// top-k/forward (cuda)
// Math      values[t,k] = x[t, indices[t,k]]: the K largest of a row, descending; ties in the order of their index; NaN
//           counts as largest, so that it does not go unseen
// Shapes    x [T,V] · values [T,K] · indices [T,K] i32 · lists, the scratch [T,blocks,K] of entries (order.cuh)
// Method    a warp holds SEGMENT columns and takes the foremost that is left, K times: a sorted list. Lists are merged by
//           rank: an entry's place is the number of entries in front of it, in its own list and, by bisection, in the others
// Tiling    rows of one segment: a warp for each. Longer ones: a block has WARPS segments, and one for each row joins what
//           blocks left
// Launch    forward_rows: grid (T / 8), 256 threads; forward: grid (T blocks), 512 threads; forward_join: grid (T), 1024
// Numerics  values are copies of x
// Limits    K <= V. A warp takes K rounds, SEGMENT at most
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/order.cuh"

struct Params {
  uint32_t T, V, K;
};

// Also in kernels.ts. A thread holds ITEMS columns of a segment.
constexpr uint32_t ITEMS = 16, SEGMENT = WARP * ITEMS, WARPS = 16, COLUMNS = WARPS * SEGMENT;
constexpr uint32_t ROW_WARPS = 8, JOIN_THREADS = 1024;

__device__ inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Calls take(k, entry) for the `count` foremost entries of columns [first, last), at most SEGMENT of them, in order. All threads
// of a warp call it and `take`.
template <class V, class Take>
__device__ void take_foremost(const V *row, uint32_t first, uint32_t last, uint32_t count, Take take) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t keys[ITEMS];
#pragma unroll
  for (uint32_t i = 0; i < ITEMS; ++i) {
    const uint32_t v = first + i * WARP + lane;
    keys[i] = v < last ? order_key(to_float(row[v])) : 0;
  }
  Entry previous = FIRST;
  for (uint32_t k = 0; k < count; ++k) {
    Entry best = NOTHING;
#pragma unroll
    for (uint32_t i = 0; i < ITEMS; ++i) {
      const uint32_t v = first + i * WARP + lane;
      const Entry entry = v < last ? entry_of(keys[i], v) : NOTHING;
      if (entry < previous && entry > best) best = entry;
    }
    previous = warp_foremost(best);
    take(k, previous);
  }
}

// Entries of a sorted list in front of `entry`.
__device__ inline uint32_t count_in_front(const Entry *list, uint32_t length, Entry entry) {
  uint32_t low = 0, high = length;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (list[middle] > entry)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Calls put(rank, entry) for the K foremost entries of `count` sorted lists, of `pitch` entries each but the last, which may be
// shorter. The threads of a block share the entries out.
template <class Put>
__device__ void merge(const Entry *lists, uint32_t count, uint32_t pitch, uint32_t length_of_last, uint32_t K,
                      Put put) {
  const uint32_t entries = (count - 1) * pitch + length_of_last;
  for (uint32_t i = threadIdx.x; i < entries; i += blockDim.x) {
    const uint32_t own = i / pitch;
    const Entry entry = lists[i];
    uint32_t rank = i % pitch;
    for (uint32_t other = 0; other < count && rank < K; ++other) {
      const uint32_t length = other + 1 < count ? pitch : length_of_last;
      if (other != own) rank += count_in_front(lists + size_t{other} * pitch, length, entry);
    }
    if (rank < K) put(rank, entry);
  }
}

template <class V>
__device__ void forward_rows(const V *x, V *values, int32_t *indices, const Params &p) {
  const size_t t = size_t{blockIdx.x} * ROW_WARPS + threadIdx.x / WARP;
  if (t >= p.T) return;
  const V *row = x + t * p.V;
  take_foremost(row, 0, p.V, p.K, [&](uint32_t k, Entry entry) {
    if (threadIdx.x % WARP != k % WARP) return;
    values[t * p.K + k] = row[index_of(entry)];
    indices[t * p.K + k] = static_cast<int32_t>(index_of(entry));
  });
}

template <class V>
__device__ void forward(const V *x, V *values, int32_t *indices, Entry *lists, const Params &p) {
  DYNAMIC_SHARED(memory);
  auto *own = reinterpret_cast<Entry *>(memory);  // [WARPS, min(K, SEGMENT)]
  const uint32_t blocks = (p.V + COLUMNS - 1) / COLUMNS, block = blockIdx.x % blocks;
  const size_t t = blockIdx.x / blocks;
  const V *row = x + t * p.V;
  const uint32_t first = block * COLUMNS, last = least(p.V, first + COLUMNS);
  const uint32_t pitch = least(p.K, SEGMENT), segments = (last - first + SEGMENT - 1) / SEGMENT;
  const uint32_t length_of_last = least(pitch, last - first - (segments - 1) * SEGMENT);

  const uint32_t warp = threadIdx.x / WARP;
  if (warp < segments) {
    const uint32_t from = first + warp * SEGMENT, to = least(last, from + SEGMENT);
    take_foremost(row, from, to, warp + 1 < segments ? pitch : length_of_last, [&](uint32_t k, Entry entry) {
      if (threadIdx.x % WARP == k % WARP) own[warp * pitch + k] = entry;
    });
  }
  __syncthreads();

  if (blocks == 1)
    merge(own, segments, pitch, length_of_last, p.K, [&](uint32_t k, Entry entry) {
      values[t * p.K + k] = row[index_of(entry)];
      indices[t * p.K + k] = static_cast<int32_t>(index_of(entry));
    });
  else
    merge(own, segments, pitch, length_of_last, least(p.K, COLUMNS),
          [&](uint32_t k, Entry entry) { lists[size_t{blockIdx.x} * least(p.K, COLUMNS) + k] = entry; });
}

template <class V>
__device__ void forward_join(const V *x, V *values, int32_t *indices, const Entry *lists, const Params &p) {
  const uint32_t blocks = (p.V + COLUMNS - 1) / COLUMNS, pitch = least(p.K, COLUMNS);
  const size_t t = blockIdx.x;
  merge(lists + t * blocks * pitch, blocks, pitch, least(pitch, p.V - (blocks - 1) * COLUMNS), p.K,
        [&](uint32_t k, Entry entry) {
          values[t * p.K + k] = x[t * p.V + index_of(entry)];
          indices[t * p.K + k] = static_cast<int32_t>(index_of(entry));
        });
}

#define TOP_K_FORWARD(V)                                                                                              \
  extern "C" __global__ void __launch_bounds__(ROW_WARPS *WARP)                                                       \
      top_k_forward_rows_##V(const Value_##V *x, Value_##V *values, int32_t *indices, Entry *, const Params p) {      \
    forward_rows(x, values, indices, p);                                                                              \
  }                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(WARPS *WARP)                                                           \
      top_k_forward_##V(const Value_##V *x, Value_##V *values, int32_t *indices, Entry *lists, const Params p) {      \
    forward(x, values, indices, lists, p);                                                                            \
  }                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(JOIN_THREADS)                                                          \
      top_k_forward_join_##V(const Value_##V *x, Value_##V *values, int32_t *indices, Entry *lists, const Params p) { \
    forward_join(x, values, indices, lists, p);                                                                       \
  }
FOR_FLOATS(TOP_K_FORWARD)
