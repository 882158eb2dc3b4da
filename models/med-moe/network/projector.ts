import { gelu, nn, type Tensor } from "../../../engine/index.js";

/**
 * `mlp<k>x_gelu`: k linear layers with GELU (erf) between them, from image features to the language model's width. Its layers
 * stand at the even places of a Sequential, activations between them, hence the names 0, 2, ...
 */
export class Projector extends nn.Module {
  image_spatial_proj: { readonly [place: number]: nn.Linear };

  constructor(init: nn.Initializer, { from, to, layers }: { from: number; to: number; layers: number }) {
    super();
    this.image_spatial_proj = Object.fromEntries(
      Array.from({ length: layers }, (_, i) => [2 * i, new nn.Linear(init, i === 0 ? from : to, to)]),
    );
  }

  /** [..., from] to [..., to]. */
  forward(x: Tensor): Tensor {
    const layers = Object.values(this.image_spatial_proj);
    return layers.slice(1).reduce((y, layer) => layer.forward(gelu(y)), layers[0].forward(x));
  }
}
