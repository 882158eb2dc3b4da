// lora-matmul/forward (cpu)
// Math      y = x weightᵀ + bias + scale h bᵀ;  h = drop(x) aᵀ
// Shapes    x [T,K] · weight [N,K] · a [R,K] · b [N,R] · bias [N] · random u32[4] · y [T,N] · h [T,R]
// Method    product.h: the rank-R branch is R more steps of each register tile
// Launch    adapters: 32 columns of aᵀ or 256 rows of b · rows: 48 rows of x or a block of weight · a rectangle of y
// Numerics  f32 sums; stores round once; the mask is that of dropout on x, element t * K + k
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lora-matmul/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/lora-matmul/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, hasBias;
};

template <class T>
HWY_INLINE LoraProduct<T> product_of(const Params &p, void *const *buffers) {
  const auto *x = static_cast<const T *>(buffers[0]);              // [T,K]
  const auto *weight = static_cast<const T *>(buffers[1]);         // [N,K]
  const auto *a = static_cast<const T *>(buffers[2]);              // [R,K]
  const auto *b = static_cast<const T *>(buffers[3]);              // [N,R]
  const auto *random = static_cast<const uint32_t *>(buffers[5]);  // [4]
  auto *h = static_cast<T *>(buffers[7]);                          // [T,R]
  const Dropout drop(random, p.sequence, p.dropout);
  return {p.T, p.N, p.K, p.R, x, {weight, p.K, 1}, {a, p.K, 1}, {b, p.R, 1}, 1.0f, p.scale, drop, {}, h};
}

template <class T>
void lora_matmul_forward_adapters(KERNEL_ARGS) {
  lora_adapters(product_of<T>(*static_cast<const Params *>(params), buffers), begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_forward_adapters)

template <class T>
void lora_matmul_forward_rows(KERNEL_ARGS) {
  lora_rows(product_of<T>(*static_cast<const Params *>(params), buffers), begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_forward_rows)

template <class T>
void lora_matmul_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *bias = p.hasBias ? static_cast<const T *>(buffers[4]) : nullptr;  // [N]
  auto *y = static_cast<T *>(buffers[6]);                                       // [T,N]
  const GemmOutput<T> output{y, nullptr, bias, p.N, kNone, false};
  lora_product(product_of<T>(p, buffers), output, begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(lora_matmul_forward_adapters)
KERNEL_REGISTER(lora_matmul_forward_rows)
KERNEL_REGISTER(lora_matmul_forward)
#endif
