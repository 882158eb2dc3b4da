// copy/pad (cuda)
// Math      y[o, before + l, c] = x[o, l, c]; 0 elsewhere
// Shapes    x [O,L,I] · y [O, before + L + after, I]
// Method    a matrix of y is a run of zeros, a copy and a run of zeros. Where all runs are whole vectors a thread moves
//           one, else elements go round the block's threads.
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(elements / elements of a block)), 256 threads
// Numerics  moves bits
#include "../common/cuda/elements.cuh"
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t O, L, I, before, after;
};

template <class Word>
__device__ void pad(const Word *x, Word *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<Word>;
  const uint32_t copied = p.L * p.I, begin = p.before * p.I, period = begin + copied + p.after * p.I;
  // Where element i of y comes from; null where from nowhere.
  const auto source = [&](uint32_t i) -> const Word * {
    const uint32_t o = i / period, at = i - o * period - begin;  // in front it wraps to more than `copied`
    return at < copied ? x + size_t{o} * copied + at : nullptr;
  };
  const size_t n = size_t{p.O} * period;
  if (copied % N == 0 && begin % N == 0 && period % N == 0) {
    const Part<N> part(n);
    if (part.count == 0) return;
    const Word *from = source(static_cast<uint32_t>(part.first));
    Vector<Word, N> values = {};
    if (from != nullptr) values = *reinterpret_cast<const Vector<Word, N> *>(from);
    part.store(y, [&](unsigned int k) { return values.values[k]; });
  } else {
    for_scattered<N>(n, [&](uint32_t i) {
      const Word *from = source(i);
      y[i] = from != nullptr ? *from : Word{0};
    });
  }
}

#define COPY_PAD(V)                                              \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)  \
      copy_pad_##V(const Word_##V *__restrict__ x, /* [O,L,I] */ \
                   Word_##V *__restrict__ y,       /* [O,P,I] */ \
                   const Params p) {                             \
    pad(x, y, p);                                                \
  }
FOR_FLOATS(COPY_PAD)
