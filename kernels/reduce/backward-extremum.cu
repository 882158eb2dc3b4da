// reduce/backward-extremum (cuda)
// Math      dx[o,l,i] = dy[o,i] where l is the first with x[o,l,i] = y[o,i], else 0
// Shapes    x, dx [O,L,I] · y, dy [O,I] · scratch: first [O,I] u32
// Method    clear: first = L · find: the least l with x = y, by atomic minima · put: dy where l = first
// Tiling    clear: a thread owns an element · find, put: a thread owns 16 bytes of x and dx
// Launch    clear: grid (ceil(O I / 256)) · find, put: (ceil(O L I / elements of a block)); 256 threads
// Numerics  NaN equals NaN; a minimum of integers does not depend on the order of its atomics
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t O, L, I;
};

// Calls f(k, l, place of its column in [O,I]) for the elements k of a part of [O,L,I].
template <unsigned int N, class F>
__device__ inline void for_places(const Part<N> &part, const Params &p, F f) {
  if (part.count == 0) return;
  const auto first = static_cast<uint32_t>(part.first), row = first / p.I;
  uint32_t o = row / p.L, l = row - o * p.L, i = first - row * p.I;
#pragma unroll
  for (unsigned int k = 0; k < N; ++k) {
    if (k < part.count) f(k, l, size_t{o} * p.I + i);
    if (++i < p.I) continue;
    i = 0;
    if (++l < p.L) continue;
    l = 0;
    ++o;
  }
}

__device__ inline void clear(uint32_t *first, const Params &p) {
  const size_t i = size_t{blockIdx.x} * ELEMENT_THREADS + threadIdx.x;
  if (i < size_t{p.O} * p.I) first[i] = p.L;
}

template <class V>
__device__ void find(const V *x, const V *y, uint32_t *first, const Params &p) {
  const Part<PER_THREAD<V>> part(size_t{p.O} * p.L * p.I);
  const auto values = part.load(x);
  for_places(part, p, [&](unsigned int k, uint32_t l, size_t column) {
    const float a = to_float(values.values[k]), b = to_float(y[column]);
    if (a == b || (a != a && b != b)) atomicMin(first + column, l);
  });
}

template <class V>
__device__ void put(const V *dy, V *dx, const uint32_t *first, const Params &p) {
  const Part<PER_THREAD<V>> part(size_t{p.O} * p.L * p.I);
  Vector<V, PER_THREAD<V>> slopes = {};
  for_places(part, p, [&](unsigned int k, uint32_t l, size_t column) {
    if (first[column] == l) slopes.values[k] = dy[column];
  });
  part.store(dx, [&](unsigned int k) { return slopes.values[k]; });
}

// dy [O,I] · x [O,L,I] · y [O,I] · dx [O,L,I] · first [O,I]
#define ARGUMENTS(V)                                                                                   \
  (const Value_##V *__restrict__ dy, const Value_##V *__restrict__ x, const Value_##V *__restrict__ y, \
   Value_##V *__restrict__ dx, uint32_t *__restrict__ first, const Params p)

#define REDUCE_BACKWARD_EXTREMUM(V)                                                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) reduce_backward_extremum_clear_##V ARGUMENTS(V) { \
    clear(first, p);                                                                                              \
  }                                                                                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) reduce_backward_extremum_find_##V ARGUMENTS(V) {  \
    find(x, y, first, p);                                                                                         \
  }                                                                                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) reduce_backward_extremum_put_##V ARGUMENTS(V) {   \
    put(dy, dx, first, p);                                                                                        \
  }
FOR_FLOATS(REDUCE_BACKWARD_EXTREMUM)
