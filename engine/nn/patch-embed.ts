import { describe, ShapeError } from "../errors.js";
import { linear } from "../ops/matmul.js";
import { permute } from "../ops/permute.js";
import { reshape } from "../ops/reshape.js";
import type { Tensor } from "../tensor.js";
import { type Initializer, kaimingUniform } from "./init.js";
import { at, Module } from "./module.js";

/** [B, C, n p, m p] to [B, n m, C p p]: one row per patch, row-major over the image, channels first within it. */
export function patches(image: Tensor, p: number): Tensor {
  const [B, C, height, width] = image.shape;
  if (image.rank !== 4 || height % p !== 0 || width % p !== 0)
    throw new ShapeError(
      `patches: ${describe("image", image.shape)} must be [B, C, height, width] with sides that ${p} divides.`,
    );
  const [n, m] = [height / p, width / p];
  const tiles = permute(reshape(image, [B, C, n, p, m, p]), [0, 2, 4, 1, 3, 5]);
  return reshape(tiles, [B, n * m, C * p * p]);
}

/** Convolution whose kernel equals its stride, as a product with patches: weight [width, channels, p, p]. */
export class PatchEmbed extends Module {
  /** [width, channels, p, p]. */
  weight: Tensor;
  /** [width]; null where there is none. */
  bias: Tensor | null;

  constructor(
    init: Initializer,
    channels: number,
    width: number,
    patch: number,
    { bias = true }: { bias?: boolean } = {},
  ) {
    super();
    const fanIn = channels * patch * patch;
    this.weight = init.parameter([width, channels, patch, patch], kaimingUniform(fanIn));
    this.bias = bias ? init.parameter([width], kaimingUniform(fanIn)) : null;
  }

  /** image [B, channels, height, width] to [B, patches, width]. */
  forward(image: Tensor): Tensor {
    return at(this, () => {
      const [width, , , p] = this.weight.shape;
      return linear(patches(image, p), reshape(this.weight, [width, this.weight.size / width]), this.bias);
    });
  }
}
