// grouped-gemm/backward-activation (cpu)
// Math      g[r,o] = sum over c of dout[t,c] weight[e,c,o];  dweights[t,k] = <g, act(pre)> + <dout[t], bias[e]>
//           dpre = w g act'(pre), gated: w g act'(gate) up and w g act(gate);  a = w act(pre), w = weights[t,k] of row r
// Shapes    dout [T,C] · weight [E,C,O] or [E,O,C] · bias [E,C] · weights, dweights [W] · pre, dpre [R,N] · a [R,O] ·
//           scratch [column cells, R, 16] f32
// Method    product.h; everything else in its epilogue, which leaves <g, act(pre)> lane by lane in scratch: a cell adds up
//           its strips there. The join adds lanes, column cells and the bias's part.
// Launch    a rectangle of g, of one expert · join: 64 choices
// Numerics  f32; g is never rounded; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grouped-gemm/backward-activation.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/activation.h"
#include "kernels/grouped-gemm/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, R, E, N, C, L, W, transposed, choices, O, activation, gated, hasBias;
};

constexpr size_t kDotLanes = 16, kJoinChoices = 64;

template <class T>
struct ActivationGradient {
  const int32_t *order;   // [R]
  const float *weights;   // [W]
  const T *pre;           // [R,N]
  T *dpre, *a;            // [R,N], [R,O]
  float *dots;            // [R,16] of this column cell
  size_t N, O, W, first;  // first: the column at which the cell begins
  uint32_t activation;

  HWY_INLINE void ahead(size_t, size_t, size_t, size_t) const {}  // it goes by rows

  // The same columns of the next row: a cell's are too few for the hardware to follow them from one row to another.
  HWY_INLINE void ask_for_next(const T *from, const T *to, const T *active_to) const {
    for (size_t n = 0; n < N; n += O) {
      __builtin_prefetch(from + N + n, 0, 3);
      __builtin_prefetch(to + N + n, 1, 3);
    }
    __builtin_prefetch(active_to + O, 1, 3);
  }

  HWY_INLINE void operator()(const Sums &sums) const {
    const F32 d;
    for (size_t i = 0; i < sums.rows; ++i) {
      const size_t row = sums.row + i;
      const auto w = hn::Set(d, weights[HWY_MIN(static_cast<uint32_t>(order[row]), W - 1)]);
      const T *from = pre + row * N + sums.o;
      T *to = dpre + row * N + sums.o, *active_to = a + row * O + sums.o;
      float *dot = dots + row * kDotLanes;
      auto sum = sums.o == first ? hn::Zero(d) : hn::LoadU(d, dot);
      for_row(d, sums.cols, [&](size_t j, auto part) ROW_BODY {
        ask_for_next(from + j, to + j, active_to + j);
        const auto g = part.load(sums.gate + i * sums.ld + j), gate = part.load(from + j), wg = hn::Mul(w, g);
        auto active = gate, slope = gate;
        activate_with_slope(d, activation, gate, active, slope);
        slope = hn::Mul(wg, slope);
        if (N != O) {
          const auto up = part.load(from + O + j);
          part.store(hn::Mul(wg, active), to + O + j);
          active = hn::Mul(active, up);
          slope = hn::Mul(slope, up);
        }
        part.store(slope, to + j);
        part.store(hn::Mul(w, active), active_to + j);
        sum = hn::MulAdd(g, part.keep(active), sum);
      });
      hn::StoreU(sum, d, dot);
    }
  }
};

template <class T>
void grouped_gemm_backward_activation(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *dout = static_cast<const T *>(buffers[0]);    // [T,C]
  const auto *weight = static_cast<const T *>(buffers[1]);  // [E,C,O] or [E,O,C]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[3]), p.E, p.R);
  const auto *weights = static_cast<const float *>(buffers[4]);  // [W]
  const auto *pre = static_cast<const T *>(buffers[5]);          // [R,N]
  auto *dpre = static_cast<T *>(buffers[6]);                     // [R,N]
  auto *a = static_cast<T *>(buffers[7]);                        // [R,O]
  const size_t R = p.R, N = p.N, C = p.C, O = p.O;

  const GroupedProduct<T> product{R,
                                  p.E,
                                  O,
                                  C,
                                  false,
                                  lists.offsets,
                                  grouped_lines(dout, C, true, lists, p.choices, p.T),
                                  p.transposed ? Items<T>{weight, 1, O} : Items<T>{weight, C, 1}};
  const size_t cols = RowPlan(R, O, C).cols;
  const auto output = [&](size_t, size_t col_cell) {
    float *dots = static_cast<float *>(scratch) + col_cell * R * kDotLanes;
    return ActivationGradient<T>{lists.order, weights, pre, dpre, a, dots, N, O, p.W, col_cell * cols, p.activation};
  };
  const auto clear = [&](size_t row, size_t rows, size_t o, size_t count) {
    clear_rows(dpre, N, row, rows, o, count);
    if (p.gated) clear_rows(dpre, N, row, rows, O + o, count);
    clear_rows(a, O, row, rows, o, count);
  };
  grouped_product<kByRows>(product, begin, end, output, clear);
}
KERNEL_TARGETS(grouped_gemm_backward_activation)

template <class T>
void grouped_gemm_backward_activation_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const auto *dout = static_cast<const T *>(buffers[0]);                        // [T,C]
  const auto *bias = p.hasBias ? static_cast<const T *>(buffers[2]) : nullptr;  // [E,C]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[3]), p.E, p.R);
  auto *dweights = static_cast<float *>(buffers[8]);  // [W]
  const auto *dots = static_cast<const float *>(scratch);
  const size_t R = p.R, C = p.C, col_cells = RowPlan(R, p.O, C).col_cells;

  const size_t last = HWY_MIN(R, end * kJoinChoices);
  for (size_t choice = begin * kJoinChoices; choice < last; ++choice) {
    const auto row = static_cast<uint32_t>(lists.position[choice]);
    dweights[choice] = 0;
    if (row >= R) continue;
    auto sum = hn::Zero(d);
    for (size_t cell = 0; cell < col_cells; ++cell)
      sum = hn::Add(sum, hn::LoadU(d, dots + (cell * R + row) * kDotLanes));
    if (bias) {
      const T *dy = dout + choice / p.choices * C,
              *b = bias + HWY_MIN(static_cast<uint32_t>(lists.experts[choice]), p.E - 1) * C;
      for_row(d, C, [&](size_t c, auto part) HWY_ATTR { sum = hn::MulAdd(part.load(dy + c), part.load(b + c), sum); });
    }
    dweights[choice] = sum_of(d, sum);
  }
}
KERNEL_TARGETS(grouped_gemm_backward_activation_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grouped_gemm_backward_activation)
KERNEL_REGISTER(grouped_gemm_backward_activation_join)
#endif
