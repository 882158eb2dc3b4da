// copy/strided (cuda)
// Math      y[yOffset + Σ ik yk] = x[xOffset + Σ ik xk]
// Shapes    i runs over [d0..d5]; x and y are read and written through strides, elements of y outside are left alone
// Method    where rows are whole vectors in x and in y a thread moves one; else a block's elements go round its threads one
//           by one, neighbours beside each other
// Tiling    a thread owns 16 bytes of elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  moves bits
#include "../common/cuda/elements.cuh"
#include "../common/cuda/odometer.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t n, d0, d1, d2, d3, d4, d5, x0, x1, x2, x3, x4, x5, y0, y1, y2, y3, y4, y5, xOffset, yOffset;
};

template <class Word>
__device__ void strided(const Word *x, Word *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<Word>;
  const Grid grid{
      {p.d0, p.d1, p.d2, p.d3, p.d4, p.d5}, {p.x0, p.x1, p.x2, p.x3, p.x4, p.x5}, {p.y0, p.y1, p.y2, p.y3, p.y4, p.y5}};
  const bool whole = p.x5 == 1 && p.y5 == 1 && (p.xOffset | p.yOffset) % N == 0;
  if (whole && in_groups<N>(grid.size, grid.a) && in_groups<N>(grid.size, grid.b)) {
    const Part<N> part(p.n);
    if (part.count == 0) return;
    const Offsets at = grid.at(static_cast<uint32_t>(part.first));
    *reinterpret_cast<Vector<Word, N> *>(y + p.yOffset + at.b) =
        *reinterpret_cast<const Vector<Word, N> *>(x + p.xOffset + at.a);
    return;
  }
  for_scattered<N>(p.n, [&](uint32_t i) {
    const Offsets at = grid.at(i);
    y[p.yOffset + at.b] = x[p.xOffset + at.a];
  });
}

#define COPY_STRIDED(V)                                              \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)      \
      copy_strided_##V(const Word_##V *__restrict__ x, /* strided */ \
                       Word_##V *__restrict__ y,       /* strided */ \
                       const Params p) {                             \
    strided(x, y, p);                                                \
  }
FOR_FLOATS(COPY_STRIDED)
