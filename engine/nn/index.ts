export { GELU, ReLU, SiLU, Tanh } from "./activations.js";
export { AdapterLayer, DEFAULT_ADAPTER } from "./adapter-layer.js";
export { AdapterRows, type SortedRows } from "./adapter-rows.js";
export { Embedding } from "./embedding.js";
export { type ExpertStack, Experts, type ExpertsOptions } from "./experts.js";
export { Ia3Linear, type Ia3Options } from "./ia3.js";
export {
  constant,
  type Init,
  Initializer,
  kaimingUniform,
  normal,
  truncatedNormal,
} from "./init.js";
export { LayerNorm } from "./layer-norm.js";
export { Linear, type LinearLayer, type LinearOptions } from "./linear.js";
export { LoraLinear, type LoraMatrix, LoraPatchEmbed, loraShapes } from "./lora.js";
export { LoraExperts, type StackAdapters } from "./lora-experts.js";
export { type LoraOptions, LowRank } from "./low-rank.js";
export {
  type CapacityOptions,
  MixtureOfExperts,
  type MixtureOfExpertsOptions,
  type MoeInputs,
  type MoeOutput,
  type MoeStatistics,
  type RouterOptions,
} from "./mixture-of-experts.js";
export { at, checkParameters, Module, namePaths, replaceModules } from "./module.js";
export { type DeepSpeedOptions, type MedMoeChoice, type MoePreset, type MoeSizes, moePresets } from "./moe-presets.js";
export { PatchEmbed, patches } from "./patch-embed.js";
export { type QuantizeOptions, type QuantizeReport, quantize } from "./quantize.js";
export { QuantizedExperts } from "./quantized-experts.js";
export { QuantizedLinear } from "./quantized-linear.js";
export { RMSNorm } from "./rms-norm.js";
export { type Layer, Sequential } from "./sequential.js";
