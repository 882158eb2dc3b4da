/**
 * Codes of the activations that kernels fuse, as the u32 param `activation` carries them.
 * kernels/common/cpu/activation.h and the shaders use the same numbers.
 */
export const ACTIVATIONS = {
  none: 0,
  /** x Φ(x), with the exact erf: PyTorch's nn.GELU(). */
  gelu: 1,
  /** x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))): nn.GELU("tanh"). */
  geluTanh: 2,
  /** x σ(1.702 x): CLIP's. */
  quickGelu: 3,
  /** x σ(x). */
  silu: 4,
  tanh: 5,
  relu: 6,
} as const;

/** Names of the activations that products fuse. */
export type Activation = keyof typeof ACTIVATIONS;
export type ActivationCode = (typeof ACTIVATIONS)[Activation];
