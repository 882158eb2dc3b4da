// token-permute/dispatch (cuda)
// Math      y[r] = x[token of r]; zero from the last row kept on
// Shapes    x [T,C] · lists [L] i32 · y [R,C]
// Tiling    held-row.cuh: 8 threads, a warp or a block own a row of y
// Launch    overRows
// Numerics  every bit is kept
#include "../common/cuda/held-row.cuh"
#include "../common/cuda/routing.cuh"

struct Params {
  uint32_t T, E, K, R, C, L;
};

template <class V, class Rows>
__device__ void dispatch(const V *x, const int32_t *list, V *y, const Params &p) {
  const Rows rows(p.R);
  const auto columns = Columns<V>::gathered(rows, p.C);
  const RoutingLists lists(list, p.E, p.R);
  const uint32_t token =
      rows.exists ? static_cast<uint32_t>(lists.order[rows.row]) / p.K : 0;  // of -1: beyond every token
  const V *from = x + size_t{token} * p.C;
  for_vectors(rows, columns, [&](unsigned int, int c) {
    Vector<V, WIDTH<V>> vector = {};
    if (token < p.T) vector = columns.load(from, c, columns.aligned);
    columns.store(y + columns.start, c, vector);
  });
}

#define TOKEN_PERMUTE_DISPATCH(V)                  \
  ROW_KERNELS(token_permute_dispatch, V, dispatch, \
              (const Value_##V *x, const int32_t *lists, Value_##V *y, const Params p), (x, lists, y, p))
FOR_FLOATS(TOKEN_PERMUTE_DISPATCH)
