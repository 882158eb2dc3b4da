// lora-matmul/backward-input (cpu)
// Math      g = scale dy b;  dx = dy weight + mask / (1 - dropout) ∘ (g a)
// Shapes    dy [T,N] · weight [N,K] · a [R,K] · b [N,R] · random u32[4] · dx [T,K], optional · g [T,R]
// Method    product.h with dy in the place of x; without dx only its rank rows
// Launch    adapters: 32 columns of b or 256 of a · rows: 48 rows of dy or a block of weight · a rectangle of dx
// Numerics  f32 sums; stores round once; the mask is the forward pass's, made again
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lora-matmul/backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/lora-matmul/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, hasDx;
};

template <class T>
HWY_INLINE LoraProduct<T> product_of(const Params &p, void *const *buffers) {
  const auto *dy = static_cast<const T *>(buffers[0]);             // [T,N]
  const auto *weight = static_cast<const T *>(buffers[1]);         // [N,K]
  const auto *a = static_cast<const T *>(buffers[2]);              // [R,K]
  const auto *b = static_cast<const T *>(buffers[3]);              // [N,R]
  const auto *random = static_cast<const uint32_t *>(buffers[4]);  // [4]
  auto *g = static_cast<T *>(buffers[6]);                          // [T,R]
  const Dropout drop(random, p.sequence, p.dropout);
  return {p.T, p.K, p.N, p.R, dy, {weight, 1, p.K}, {b, 1, p.R}, {a, 1, p.K}, p.scale, 1.0f, {}, drop, g};
}

template <class T>
void lora_matmul_backward_input_adapters(KERNEL_ARGS) {
  lora_adapters(product_of<T>(*static_cast<const Params *>(params), buffers), begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_backward_input_adapters)

template <class T>
void lora_matmul_backward_input_rows(KERNEL_ARGS) {
  lora_rows(product_of<T>(*static_cast<const Params *>(params), buffers), begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_backward_input_rows)

template <class T>
void lora_matmul_backward_input(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const GemmOutput<T> output{static_cast<T *>(buffers[5]), nullptr, nullptr, p.K, kNone, false};  // dx [T,K]
  lora_product(product_of<T>(p, buffers), output, begin, end, scratch);
}
KERNEL_TARGETS(lora_matmul_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(lora_matmul_backward_input_adapters)
KERNEL_REGISTER(lora_matmul_backward_input_rows)
KERNEL_REGISTER(lora_matmul_backward_input)
#endif
