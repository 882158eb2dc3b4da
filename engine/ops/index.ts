export { type ListPlaces, listPlaces } from "../../kernels/top-k-routing/lists.js";
export { type AttentionOptions, attention, attentionPacked } from "./attention.js";
export { add, div, maximum, minimum, mul, sub } from "./binary.js";
export { cast } from "./cast.js";
export { equal, greater, greaterEqual, less, lessEqual, notEqual } from "./compare.js";
export { concat, stack } from "./concat.js";
export { type CrossEntropyOptions, crossEntropy, type Reduction } from "./cross-entropy.js";
export { dropout, dropPath } from "./dropout.js";
export { type EmbeddingOptions, embedding } from "./embedding.js";
export { expand, repeatInterleave } from "./expand.js";
export { type ExpertActivation, type ExpertMlpOptions, expertMlp } from "./expert-mlp.js";
export { arange, type FillOptions, full, ones, type RangeOptions, zeros } from "./fill.js";
export { gather, scatterAdd } from "./gather.js";
export { type GroupedGemmOptions, groupedGemm } from "./grouped-gemm.js";
export { indexAdd } from "./index-add.js";
export { indexSelect } from "./index-select.js";
export { l2Normalize } from "./l2-normalize.js";
export { layerNorm } from "./layer-norm.js";
export { type LoraGroupedGemmOptions, loraGroupedGemm } from "./lora-grouped-gemm.js";
export { type LoraMatmulOptions, loraMatmul, loraMerge } from "./lora-matmul.js";
export { type Activation, linear, type MatmulOptions, matmul } from "./matmul.js";
export { pad } from "./pad.js";
export { permute, transpose } from "./permute.js";
export {
  type QuantizedBits,
  type QuantizedFormat,
  type QuantizedGroup,
  type QuantizedMatmulOptions,
  quantize,
  quantizedMatmul,
} from "./quantized-matmul.js";
export { randLike, randnLike } from "./random.js";
export { max, mean, min, type ReduceOptions, sum } from "./reduce.js";
export { flatten, reshape, squeeze, unsqueeze } from "./reshape.js";
export { rmsNorm } from "./rms-norm.js";
export { type RotaryOptions, rotary } from "./rotary.js";
export { chunk, slice, split } from "./slice.js";
export { logSoftmax, softmax } from "./softmax.js";
export { combineTokens, dispatchTokens } from "./token-permute.js";
export { argmax, type TopK, topK } from "./top-k.js";
export { balanceLoss, type Routed, type RoutingOptions, topKRouting, zLoss } from "./top-k-routing.js";
export {
  abs,
  clamp,
  cos,
  exp,
  floor,
  gelu,
  log,
  neg,
  pow,
  quickGelu,
  reciprocal,
  relu,
  rsqrt,
  scale,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  square,
  tanh,
} from "./unary.js";
export { where } from "./where.js";
export { writeRows } from "./write-rows.js";
