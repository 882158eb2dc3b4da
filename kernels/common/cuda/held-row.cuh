// Kernels over rows of C values that several passes read: a group of threads shares a row and keeps what it read of it in
// registers, so that memory is read once. How large the group is depends on the length of a row: a kernel is there four times
// (ROW_KERNELS), and `overRows` in rows.ts picks one.
//
//   template <class V, class Rows>
//   __device__ void scale(const V *x, V *y, const Params &p) {
//     const Rows rows(p.T);
//     const Columns<V> columns(rows, p.C);
//     const HeldRow<V, Rows> row(columns, rows, x + columns.start);
//     float sum = 0.0f;
//     for_row(rows, columns, [&](uint32_t c, float v) { sum += v; }, row);
//     sum = rows.sum(sum);
//     map_row(rows, columns, y + columns.start, [&](uint32_t c, float v) { return v / sum; }, row);
//   }
//
// A thread owns every `threads`-th vector of 16 bytes: where rows do not begin at a multiple of that, vectors do all the
// same, and those at both ends of a row are read and written value by value.
#pragma once
#include "kernel.cuh"
#include "reduce.cuh"

// Values of a vector.
template <class V>
constexpr unsigned int WIDTH = 16 / sizeof(V);

// Groups of LANES threads of a warp, each with a row; HELD vectors of it stay in a thread's registers.
template <unsigned int LANES, unsigned int HELD_VECTORS>
struct LaneRows {
  static constexpr unsigned int HELD = HELD_VECTORS, MOST_THREADS = 256;
  static constexpr unsigned int threads = LANES;
  size_t row;
  unsigned int thread;
  bool exists;  // threads without a row run along, since their warp exchanges values

  __device__ explicit LaneRows(uint32_t T)
      : row((size_t{blockIdx.x} * blockDim.x + threadIdx.x) / LANES), thread(threadIdx.x % LANES), exists(row < T) {}
  __device__ float sum(float value) const { return lane_sum<LANES>(value); }
  __device__ float max(float value) const { return lane_max<LANES>(value); }
};

// A block for each row. HELD = 0: rows of any length, read again at each pass.
template <unsigned int HELD_VECTORS, unsigned int MOST>
struct BlockRows {
  static constexpr unsigned int HELD = HELD_VECTORS, MOST_THREADS = MOST;
  size_t row;
  unsigned int thread, threads;
  static constexpr bool exists = true;

  __device__ explicit BlockRows(uint32_t) : row(blockIdx.x), thread(threadIdx.x), threads(blockDim.x) {}
  __device__ float sum(float value) const { return block_join(value, Sum()); }
  __device__ float max(float value) const { return block_join(value, Maximum()); }
};

// Bytes of a row that they hold: `shapeOf` in rows.ts.
using NarrowRows = LaneRows<8, 2>;
using WarpRows = LaneRows<32, 4>;
using WideRows = BlockRows<4, 512>;
using LongRows = BlockRows<0, 1024>;

#define ROW_KERNEL(NAME, SHAPE, ROWS, V, BODY, PARAMETERS, ARGUMENTS)                                \
  extern "C" __global__ void __launch_bounds__(ROWS::MOST_THREADS) NAME##_##SHAPE##_##V PARAMETERS { \
    BODY<Value_##V, ROWS> ARGUMENTS;                                                                 \
  }
// <NAME>_narrow_<V> and so on, with the body BODY<Value, Rows>.
#define ROW_KERNELS(NAME, V, BODY, PARAMETERS, ARGUMENTS)              \
  ROW_KERNEL(NAME, narrow, NarrowRows, V, BODY, PARAMETERS, ARGUMENTS) \
  ROW_KERNEL(NAME, warp, WarpRows, V, BODY, PARAMETERS, ARGUMENTS)     \
  ROW_KERNEL(NAME, wide, WideRows, V, BODY, PARAMETERS, ARGUMENTS)     \
  ROW_KERNEL(NAME, long, LongRows, V, BODY, PARAMETERS, ARGUMENTS)

// The columns of a group's row, in vectors of W values.
template <class V>
struct Columns {
  static constexpr unsigned int W = WIDTH<V>;
  uint32_t C;
  size_t start;       // element of a [T,C] buffer
  unsigned int skip;  // values of the first vector in front of the row
  bool aligned;       // whether vectors are multiples of 16 bytes of memory

  // Of row `rows.row` in buffers of [T,C].
  template <class Rows>
  __device__ Columns(const Rows &rows, uint32_t width)
      : C(rows.exists ? width : 0),
        start(rows.row * width),
        skip(static_cast<unsigned int>(start % W)),
        aligned(true) {}
  // Of rows of several buffers, which begin where they may.
  template <class Rows>
  __device__ static Columns gathered(const Rows &rows, uint32_t width) {
    Columns columns(rows, width);
    columns.skip = 0;
    columns.aligned = width % W == 0;
    return columns;
  }

  __device__ bool holds(int c) const { return static_cast<uint32_t>(c) < C; }
  // Whether the vector at c lies within the row.
  __device__ bool whole(int c) const { return c >= 0 && static_cast<uint32_t>(c) + W <= C; }

  // Values outside the row are zero.
  __device__ Vector<V, W> load(const V *row, int c, bool at_vector) const {
    if (at_vector && whole(c)) return *reinterpret_cast<const Vector<V, W> *>(row + c);
    Vector<V, W> vector = {};
#pragma unroll
    for (unsigned int j = 0; j < W; ++j)
      if (holds(c + static_cast<int>(j))) vector.values[j] = row[c + static_cast<int>(j)];
    return vector;
  }
  __device__ void store(V *row, int c, const Vector<V, W> &vector) const {
    if (aligned && whole(c)) {
      *reinterpret_cast<Vector<V, W> *>(row + c) = vector;
      return;
    }
#pragma unroll
    for (unsigned int j = 0; j < W; ++j)
      if (holds(c + static_cast<int>(j))) row[c + static_cast<int>(j)] = vector.values[j];
  }
};

// Calls f(i, c) for the vectors that the thread owns: the i-th of its own, at column c, which may begin in front of the row.
template <class Rows, class V, class F>
__device__ inline void for_vectors(const Rows &rows, const Columns<V> &columns, F f) {
  constexpr unsigned int W = WIDTH<V>;
  const int first = static_cast<int>(rows.thread * W) - static_cast<int>(columns.skip);
  if constexpr (Rows::HELD > 0) {
#pragma unroll
    for (unsigned int i = 0; i < Rows::HELD; ++i) {
      const int c = first + static_cast<int>(i * rows.threads * W);
      if (c < static_cast<int>(columns.C)) f(i, c);
    }
  } else {
#pragma unroll 4
    for (int c = first; c < static_cast<int>(columns.C); c += static_cast<int>(rows.threads * W)) f(0u, c);
  }
}

// A row that passes read several times.
template <class V, class Rows>
struct HeldRow {
  const Columns<V> &columns;
  const V *row;
  Vector<V, WIDTH<V>> held[Rows::HELD > 0 ? Rows::HELD : 1];

  __device__ HeldRow(const Columns<V> &of, const Rows &rows, const V *memory) : columns(of), row(memory) {
    if constexpr (Rows::HELD > 0)
      for_vectors(rows, columns, [&](unsigned int i, int c) { held[i] = columns.load(row, c, columns.aligned); });
  }
  __device__ Vector<V, WIDTH<V>> at(unsigned int i, int c) const {
    if constexpr (Rows::HELD > 0)
      return held[i];
    else
      return columns.load(row, c, columns.aligned);
  }
};

// One that is read when it is asked for: for what other rows share, such as a weight [C].
template <class V>
struct SharedRow {
  const Columns<V> &columns;
  const V *row;

  __device__ Vector<V, WIDTH<V>> at(unsigned int, int c) const {
    return columns.load(row, c, columns.aligned && columns.skip == 0);
  }
};

// f(c, values...) for the columns that the thread owns, in order; `of` are rows of either kind.
template <class Rows, class V, class F, class... Of>
__device__ inline void for_row(const Rows &rows, const Columns<V> &columns, F f, const Of &...of) {
  const auto each = [&](int c, const auto &...vectors) {
#pragma unroll
    for (unsigned int j = 0; j < WIDTH<V>; ++j)
      if (columns.holds(c + static_cast<int>(j))) f(static_cast<uint32_t>(c) + j, to_float(vectors.values[j])...);
  };
  for_vectors(rows, columns, [&](unsigned int i, int c) { each(c, of.at(i, c)...); });
}

// out[c] = f(c, values...).
template <class Rows, class V, class F, class... Of>
__device__ inline void map_row(const Rows &rows, const Columns<V> &columns, V *out, F f, const Of &...of) {
  const auto map = [&](int c, const auto &...vectors) {
    Vector<V, WIDTH<V>> result;
#pragma unroll
    for (unsigned int j = 0; j < WIDTH<V>; ++j)
      result.values[j] = from_float<V>(f(static_cast<uint32_t>(c) + j, to_float(vectors.values[j])...));
    columns.store(out, c, result);
  };
  for_vectors(rows, columns, [&](unsigned int i, int c) { map(c, of.at(i, c)...); });
}
