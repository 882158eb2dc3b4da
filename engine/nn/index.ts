export { GELU, ReLU, SiLU, Tanh } from "./activations.js";
export { Embedding } from "./embedding.js";
export {
  constant,
  type Init,
  Initializer,
  kaimingUniform,
  normal,
  truncatedNormal,
} from "./init.js";
export { LayerNorm } from "./layer-norm.js";
export { Linear, type LinearOptions } from "./linear.js";
export { type Adapter, LoraLinear, type LoraOptions, LoraPatchEmbed } from "./lora.js";
export { at, Module, namePaths, replaceModules } from "./module.js";
export { PatchEmbed, patches } from "./patch-embed.js";
export { RMSNorm } from "./rms-norm.js";
export { type Layer, Sequential } from "./sequential.js";
