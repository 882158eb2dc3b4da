// rotary/forward (cuda)
// Math      (y[a], y[b]) = (x[a] cos φ - x[b] sin φ, x[b] cos φ + x[a] sin φ);  φ = ± position theta^(-2i / rotaryDim),
//           (a, b) = (2i, 2i + 1) interleaved, (i, i + rotaryDim / 2) otherwise; elements from rotaryDim on are copied
// Shapes    x, y [B,L,H,D] · positions [B,L] i32 or absent: then start + l
// Method    a thread has the angles of four pairs of a position and turns those of its heads, of all batch rows that share it
// Tiling    a row of D is cut into units of eight elements: four pairs, or what is copied. Where D or rotaryDim is no multiple
//           of eight: units of two
// Launch    grid (cells units / 256, shares of the heads), 256 threads; a cell is an l, or a (b, l) with given positions
// Numerics  angles in f64, in turns (positions reach 1e5 and more); angle.cuh takes
//           the fraction of a turn in 64 bits
// Limits    cells times units below 2^32: their quotient in 64 bits is a subroutine, around which registers are spilled
#include "../common/cuda/angle.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t B, L, H, D, rotaryDim, interleaved, start, hasPositions, inverse;
  float theta;
};

constexpr unsigned int THREADS = 256;

struct Turn {
  float cosine, sine;
};

// However many turns there are, in either direction.
__device__ inline Turn turn_of(double turns) {
  const auto rest = static_cast<int64_t>((turns - rint(turns)) * 0x1p63);
  const Angle angle = angle_of_turns(static_cast<uint64_t>(rest) << 1);
  return {cos_of(angle), sin_of(angle)};
}

// 1 / n by Newton's method: the division of f64 is a subroutine, around which registers are spilled.
__device__ inline double reciprocal(uint32_t n) {
  double r = 1.0f / static_cast<float>(n);
  for (int step = 0; step < 2; ++step) r *= 2.0 - n * r;
  return r;
}

// Rotates or copies unit `u` of one row; pairs are W at most.
template <unsigned int W, class V>
__device__ void turn_unit(const V *x, V *y, uint32_t u, const Turn (&turns)[W], const Params &p) {
  const uint32_t half = p.rotaryDim / 2, rotated = half / W;
  if (u >= rotated) {
    const uint32_t first = p.rotaryDim + (u - rotated) * 2 * W;
    if constexpr (W > 1) {
#pragma unroll
      for (unsigned int part = 0; part < 2; ++part) {
        using Part = Vector<V, W>;
        *reinterpret_cast<Part *>(y + first + part * W) = *reinterpret_cast<const Part *>(x + first + part * W);
      }
    } else {
      for (uint32_t d = first; d < p.D && d < first + 2; ++d) y[d] = x[d];
    }
    return;
  }
  // Two vectors: the first and second halves of pairs, or pairs in a row.
  const uint32_t first = p.interleaved ? 2 * W * u : W * u, second = p.interleaved ? first + W : first + half;
  const auto a = *reinterpret_cast<const Vector<V, W> *>(x + first);
  const auto b = *reinterpret_cast<const Vector<V, W> *>(x + second);
  float values[2 * W];
#pragma unroll
  for (unsigned int j = 0; j < W; ++j) {
    values[j] = to_float(a.values[j]);
    values[W + j] = to_float(b.values[j]);
  }
  Vector<V, W> to_a, to_b;
  if (p.interleaved) {
#pragma unroll
    for (unsigned int j = 0; j < W; ++j) {
      const float left = values[2 * j], right = values[2 * j + 1];
      values[2 * j] = left * turns[j].cosine - right * turns[j].sine;
      values[2 * j + 1] = right * turns[j].cosine + left * turns[j].sine;
    }
  } else {
#pragma unroll
    for (unsigned int j = 0; j < W; ++j) {
      const float left = values[j], right = values[W + j];
      values[j] = left * turns[j].cosine - right * turns[j].sine;
      values[W + j] = right * turns[j].cosine + left * turns[j].sine;
    }
  }
#pragma unroll
  for (unsigned int j = 0; j < W; ++j) {
    to_a.values[j] = from_float<V>(values[j]);
    to_b.values[j] = from_float<V>(values[W + j]);
  }
  *reinterpret_cast<Vector<V, W> *>(y + first) = to_a;
  *reinterpret_cast<Vector<V, W> *>(y + second) = to_b;
}

template <unsigned int W, class V>
__device__ void forward(const V *x, const int32_t *positions, V *y, const Params &p) {
  const uint32_t units = (p.D + 2 * W - 1) / (2 * W), cells = p.hasPositions ? p.B * p.L : p.L;
  const uint32_t i = blockIdx.x * THREADS + threadIdx.x, cell = i / units, u = i % units;
  if (cell >= cells) return;

  Turn turns[W];
  if (u < p.rotaryDim / 2 / W) {
    const double position = p.hasPositions ? double(positions[cell]) : double(p.start) + double(cell);
    const double exponent = -2.0 * reciprocal(p.rotaryDim) * log2(double(p.theta)), ratio = exp2(exponent);
    double turn = (p.inverse ? -position : position) * 0.15915494309189533577 * exp2(exponent * (u * W));
#pragma unroll
    for (unsigned int j = 0; j < W; ++j, turn *= ratio) turns[j] = turn_of(turn);
  } else {
#pragma unroll
    for (unsigned int j = 0; j < W; ++j) turns[j] = Turn{};
  }

  const uint32_t share = (p.H + gridDim.y - 1) / gridDim.y, head = blockIdx.y * share;
  const uint32_t last = head + share < p.H ? head + share : p.H;
  for (uint32_t b = 0; b < (p.hasPositions ? 1 : p.B); ++b) {
    const size_t token = (size_t{b} * p.L + cell) * p.H;
#pragma unroll 2
    for (uint32_t h = head; h < last; ++h) turn_unit(x + (token + h) * p.D, y + (token + h) * p.D, u, turns, p);
  }
}

// Without the suffix, units of eight elements.
#define ROTARY_FORWARD(V)                                                                                    \
  extern "C" __global__ void __launch_bounds__(THREADS)                                                      \
      rotary_forward_##V(const Value_##V *x, const int32_t *positions, Value_##V *y, const Params p) {       \
    forward<4>(x, positions, y, p);                                                                          \
  }                                                                                                          \
  extern "C" __global__ void __launch_bounds__(THREADS)                                                      \
      rotary_forward_pairs_##V(const Value_##V *x, const int32_t *positions, Value_##V *y, const Params p) { \
    forward<1>(x, positions, y, p);                                                                          \
  }
FOR_FLOATS(ROTARY_FORWARD)
