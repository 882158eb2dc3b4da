import { rowWords } from "../../kernels/quantized-matmul/format.js";
import type { Activation } from "../ops/matmul.js";
import { type QuantizedFormat, quantize, quantizedMatmul } from "../ops/quantized-matmul.js";
import { keep } from "../scope.js";
import { Tensor } from "../tensor.js";
import type { Linear } from "./linear.js";
import { at, Module } from "./module.js";

/** A linear layer whose frozen weight is kept as integers of 4 or 8 bits; see `quantize`. */
export class QuantizedLinear extends Module {
  /** u32 [outFeatures, words]: integers and scales of each row. */
  weight: Tensor;
  /** [outFeatures]; null where there is none. */
  bias: Tensor | null;
  /** Elements of an input. */
  readonly inFeatures: number;
  /** How the words are to be read. */
  readonly format: QuantizedFormat;

  /** Owns its tensors from now on. */
  constructor(weight: Tensor, bias: Tensor | null, inFeatures: number, format: QuantizedFormat) {
    super();
    this.weight = weight;
    this.bias = bias;
    this.inFeatures = inFeatures;
    this.format = format;
  }

  /** The integers of a linear layer, whose bias it takes over; its weight stays with the caller. */
  static of(layer: Linear, format: QuantizedFormat): QuantizedLinear {
    const { weight, bias } = layer;
    return new QuantizedLinear(keep(quantize(weight, format)), bias, weight.shape[1], format);
  }

  /** Memory for the integers of a linear layer, to be filled from a file. */
  static empty({ weight, bias }: Linear, format: QuantizedFormat): QuantizedLinear {
    const [N, K] = weight.shape;
    const W = rowWords(K, format.bits, format.group);
    const words = keep(new Tensor(weight.device.allocateLater(N * W, "u32", "weight"), [N, W], "u32"));
    return new QuantizedLinear(words, bias, K, format);
  }

  /** x [..., inFeatures] to [..., outFeatures]; the activation is applied in the same kernel. */
  forward(x: Tensor, activation: Activation = "none"): Tensor {
    return at(this, () => quantizedMatmul(x, this.weight, { ...this.format, bias: this.bias, activation }));
  }
}
