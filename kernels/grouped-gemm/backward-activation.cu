// grouped-gemm/backward-activation (cuda)
// Math      for grouped row r of expert e and token t, w the weight of its choice: g[o] = sum_c dout[t,c] w[e,c,o];
//           a[r] = w act(pre[r]); dpre[r] = act'(pre[r]) w g;
//           gated: a = w act(gate) up, dgate = act'(gate) up w g, dup = act(gate) w g; rows that nobody kept are zero
//           join: dweights[t,k] = <g, act(pre)> + <dout[t], bias[e]>, zero where dropped
// Shapes    dout [T,C] · weight [E,C,O] or [E,O,C] · bias [E,C] · lists [L] i32 · weights, dweights [W] f32 ·
//           pre, dpre [R,N] · a [R,O] · scratch [R, ceil(O / 32)] f32
// Method    common/cuda/gemm.cuh with rows gathered while loading; everything else in its epilogue, which leaves the sums of
//           g act(pre) over 32 columns in scratch
// Tiling    common/cuda/gemm-tiles.cuh; row-tiles.cuh · join: a warp owns a choice
// Launch    column tiles of O × at most so many row tiles of all experts, threads of the tile · join: 8 choices a block
// Numerics  f32; g is never rounded; stores round once; dweights in an order of the sizes alone
#include "../common/cuda/anew.cuh"
#include "row-tiles.cuh"

struct Params {
  uint32_t T, R, E, N, C, L, W, transposed, choices, O, activation, gated, hasBias;
};

constexpr uint32_t JOIN_THREADS = 256, JOIN_CHOICES = JOIN_THREADS / WARP;

__device__ inline uint32_t dot_count(uint32_t O) { return (O + ROW_SUM_COLUMNS - 1) / ROW_SUM_COLUMNS; }

template <class V>
struct ActivationGradient {
  static constexpr bool PAIRED = false, ROW_SUMS = true;
  const float *weights;  // of the tile's rows, which begin at row0; zeros where nobody kept them
  uint32_t row0;
  Runs<const V> pre;  // from the expert's first row on, as what follows
  Runs<V> dpre, a;
  float *dots;
  uint32_t O, activation;
  bool kept, gated;

  // Of what was before the activation; zeros where nobody kept the row.
  struct Ahead {
    Run<V> gate, up;
  };
  __device__ Ahead ahead(uint32_t row, uint32_t o, uint32_t count) const {
    Ahead found = {};
    const V *from = pre.data + size_t{row} * pre.width + o;
    if (kept) found.gate = load_run(from, count, a.aligned());
    if (kept && gated) found.up = load_run(from + O, count, a.aligned());
    return found;
  }

  __device__ float operator()(uint32_t row, uint32_t o, uint32_t count, float (&g)[RUN<V>], const Ahead &found) const {
    const size_t at = size_t{row} * pre.width + o;
    const bool aligned = a.aligned();
    const float w = weights[row - row0];
    float dgate[RUN<V>], dup[RUN<V>], active[RUN<V>], dot = 0.0f;
    with_activation(activation, [&](auto f) {
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) {
        const ValueAndSlope act = f(to_float(found.gate.values[i]));
        const float up = gated ? to_float(found.up.values[i]) : 1.0f;
        active[i] = act.value * up;
        if (i < count) dot = fmaf(g[i], active[i], dot);
        g[i] *= w;
        dgate[i] = g[i] * act.slope * up;
        dup[i] = g[i] * act.value;
        active[i] *= w;
      }
    });
    write_run(dpre.data + at, count, aligned, dgate);
    if (gated) write_run(dpre.data + at + O, count, aligned, dup);
    a.write(row, o, count, active);
    return dot;
  }
  __device__ void row_sum(uint32_t row, uint32_t part, float sum) const {
    dots[size_t{row} * dot_count(O) + part] = sum;
  }
};

// The weights of the choices of a tile's rows, behind the stages; there for all threads after the next barrier.
template <class T>
__device__ float *tile_weights(unsigned char *shared, const RowTile &rows, const int32_t *order, const float *weights,
                               const Params &p) {
  float *const found = reinterpret_cast<float *>(shared + T::STAGES * T::STAGE_BYTES);  // [ROWS]
  for (uint32_t i = threadIdx.x; i < T::ROWS; i += T::THREADS) {
    const uint32_t row = rows.row0 + i;
    const bool kept = rows.expert < p.E && row < rows.rows;
    const uint32_t choice = kept ? static_cast<uint32_t>(order[rows.first + row]) : 0;
    found[i] = kept ? weights[choice < p.W ? choice : p.W - 1] : 0.0f;
  }
  return found;
}

template <class T, bool ALONG_K, bool WHOLE, class V, class EpilogueOf>
__device__ void product(const V *dout, const V *weight, const float *choice_weights, const RoutedRows &lists,
                        const RoutedTile<T> &tile, const EpilogueOf &epilogue_of, const Params &p) {
  DYNAMIC_SHARED(shared);
  const float *const weights = tile_weights<T>(shared, tile.rows, lists.order, choice_weights, p);
  const RowTile &rows = tile.rows;
  const uint32_t C = rows.expert < p.E ? p.C : 0, step = ALONG_K ? p.C : p.O;
  const auto left = expert_rows<true, WHOLE>(dout, p.C, lists, rows.first, rows.rows, true, p.choices, p.T);
  const Matrix<V, ALONG_K, WHOLE> right{weight + size_t{rows.expert} * p.C * p.O, ALONG_K ? p.O : p.C, step, step,
                                        WHOLE || step % CHUNK<V> == 0};
  Product<T, true, ALONG_K> product(shared, rows.row0, tile.column0);
  product.multiply(left, right, C);
  product.finish(rows.rows, p.O, epilogue_of(weights, anew(rows.first)));
}

template <class T, bool WHOLE, class V>
__device__ void backward_activation(const V *dout, const V *weight, const int32_t *places, const float *weights,
                                    const V *pre, V *dpre, V *a, float *dots, const Params &p) {
  const RoutedRows lists(places, p.E, p.R);
  const RoutedTile<T> tile(lists, p.O);
  if (tile.rows.expert > p.E) return;
  // Places of rows are found once there are sums: registers are scarce before.
  const auto epilogue_of = [&](const float *of_rows, size_t first) {
    return ActivationGradient<V>{of_rows,
                                 tile.rows.row0,
                                 {pre + first * p.N, p.N},
                                 {dpre + first * p.N, p.N},
                                 {a + first * p.O, p.O},
                                 dots + first * dot_count(p.O),
                                 p.O,
                                 p.activation,
                                 tile.rows.expert < p.E,
                                 p.gated != 0};
  };
  if (p.transposed)
    product<T, false, WHOLE>(dout, weight, weights, lists, tile, epilogue_of, p);
  else
    product<T, true, WHOLE>(dout, weight, weights, lists, tile, epilogue_of, p);
}

template <class V>
__device__ void join(const V *dout, const V *bias, const int32_t *places, float *dweights, const float *dots,
                     const Params &p) {
  const RoutedRows lists(places, p.E, p.R);
  const uint32_t choice = blockIdx.x * JOIN_CHOICES + threadIdx.x / WARP, lane = threadIdx.x % WARP;
  if (choice >= p.W) return;
  const uint32_t row = static_cast<uint32_t>(lists.position[choice]), parts = dot_count(p.O);
  float sum = 0.0f;
  if (row < p.R) {
    for (uint32_t i = lane; i < parts; i += WARP) sum += dots[size_t{row} * parts + i];
    if (p.hasBias) {
      const uint32_t expert = static_cast<uint32_t>(lists.experts[choice]);
      const V *of_token = dout + size_t{choice / p.choices} * p.C;
      const V *of_expert = bias + size_t{expert < p.E ? expert : p.E - 1} * p.C;
      for (uint32_t c = lane; c < p.C; c += WARP) sum = fmaf(to_float(of_token[c]), to_float(of_expert[c]), sum);
    }
  }
  sum = lane_sum<WARP>(sum);
  if (lane == 0) dweights[choice] = sum;
}

#define BACKWARD_ACTIVATION(NAME, V, THREADS, BODY)                                                                   \
  extern "C" __global__ void __launch_bounds__(THREADS, 1) grouped_gemm_backward_activation_##NAME##_##V(             \
      const Value_##V *dout, const Value_##V *weight, [[maybe_unused]] const Value_##V *bias, const int32_t *lists,   \
      [[maybe_unused]] const float *weights, [[maybe_unused]] const Value_##V *pre, [[maybe_unused]] Value_##V *dpre, \
      [[maybe_unused]] Value_##V *a, [[maybe_unused]] float *dweights, float *dots, const Params p) {                 \
    BODY;                                                                                                             \
  }
#define PRODUCT(VARIANT, V, TILE, WHOLE)    \
  BACKWARD_ACTIVATION(                      \
      VARIANT, V, TILE<Value_##V>::THREADS, \
      (backward_activation<TILE<Value_##V>, WHOLE>(dout, weight, lists, weights, pre, dpre, a, dots, p)))
#define JOIN(V) BACKWARD_ACTIVATION(join, V, JOIN_THREADS, (void(weight), join(dout, bias, lists, dweights, dots, p)))
GROUPED_KERNELS(PRODUCT, LargeTile)
FOR_FLOATS(JOIN)
