import { EXPERT_ACTIVATIONS } from "../../kernels/grouped-gemm/activation.js";
import type { Activation } from "../../kernels/matmul/activation.js";
import { rowWords } from "../../kernels/quantized-matmul/format.js";
import { activateExperts } from "../ops/activate.js";
import type { ExpertActivation } from "../ops/expert-mlp.js";
import { type QuantizedFormat, quantize, quantizedMatmul } from "../ops/quantized-matmul.js";
import { combineTokens, dispatchTokens } from "../ops/token-permute.js";
import type { Routed } from "../ops/top-k-routing.js";
import { keep } from "../scope.js";
import { Tensor } from "../tensor.js";
import type { ExpertStack, Experts } from "./experts.js";
import { at, Module } from "./module.js";

/** Frozen experts whose stacks of weights are kept as integers of 4 or 8 bits; see `quantize`. */
export class QuantizedExperts extends Module implements ExpertStack {
  /** u32 [E, hidden or 2 hidden, words]: integers and scales of each row. */
  up: Tensor;
  /** As in `Experts`. */
  upBias: Tensor | null;
  /** u32 [E, width, words]. */
  down: Tensor;
  /** As in `Experts`. */
  downBias: Tensor | null;
  /** Between the two products. */
  readonly activation: ExpertActivation;
  /** How the words are to be read. */
  readonly format: QuantizedFormat;

  /** Takes over the biases of `experts`; its weights stay with the caller. */
  constructor(experts: Experts, up: Tensor, down: Tensor, format: QuantizedFormat) {
    super();
    this.up = up;
    this.upBias = experts.upBias;
    this.down = down;
    this.downBias = experts.downBias;
    this.activation = experts.activation;
    this.format = format;
  }

  /** The integers of experts. */
  static of(experts: Experts, format: QuantizedFormat): QuantizedExperts {
    const { up, down } = experts;
    return new QuantizedExperts(experts, keep(quantize(up, format)), keep(quantize(down, format)), format);
  }

  /** Memory for the integers of experts, to be filled from a file. */
  static empty(experts: Experts, format: QuantizedFormat): QuantizedExperts {
    const words = ({ shape, device }: Tensor) => {
      const [E, N, K] = shape;
      const W = rowWords(K, format.bits, format.group);
      return keep(new Tensor(device.allocateLater(E * N * W, "u32", "experts"), [E, N, W], "u32"));
    };
    return new QuantizedExperts(experts, words(experts.up), words(experts.down), format);
  }

  /** x [T, width] to [T, width], by the choices and weights of `routed`. */
  forward(x: Tensor, routed: Routed): Tensor {
    return at(this, () => {
      const { weights, lists } = routed;
      const { gated } = EXPERT_ACTIVATIONS[this.activation];
      // What no gate needs whole is applied in the product.
      const fused = gated ? "none" : (this.activation as Activation);
      const first = { ...this.format, bias: this.upBias, lists, activation: fused };
      // A gradient needs the rows in the order that they are multiplied in.
      const pre = x.tracked
        ? quantizedMatmul(dispatchTokens(x, routed), this.up, first)
        : quantizedMatmul(x, this.up, { ...first, gather: weights.shape[1] });
      const rows = quantizedMatmul(gated ? activateExperts(pre, this.activation) : pre, this.down, {
        ...this.format,
        bias: this.downBias,
        lists,
      });
      return combineTokens(rows, routed);
    });
  }
}
