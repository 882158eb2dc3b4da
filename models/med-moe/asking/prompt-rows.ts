/** A prompt as the language model reads it: a row for each token, several for an image. */
import { noGrad, reshape, scope, type Tensor, tensor } from "../../../engine/index.js";
import { IMAGE_TOKEN } from "../input/image-tokens.js";
import type { MedMoeNetwork } from "../network/network.js";

/** Rows that ids take, images among them. */
export const rowCount = (ids: readonly number[], imageRows: number): number =>
  ids.length + ids.filter((id) => id === IMAGE_TOKEN).length * (imageRows - 1);

/** The rows [T, width] of ids and their images, [3, S, S] each, in the order of their places. The caller disposes them. */
export function promptRows(network: MedMoeNetwork, ids: readonly number[], images: readonly Float32Array[]): Tensor {
  return noGrad(() =>
    scope(() => {
      const { embeds } = network.splice([{ ids }], images.length > 0 ? stacked(network, images) : null);
      return reshape(embeds, embeds.shape.slice(1));
    }),
  );
}

function stacked(network: MedMoeNetwork, images: readonly Float32Array[]): Tensor {
  const { imageSize: size } = network.image_tower.config;
  const values = new Float32Array(images.length * 3 * size * size);
  for (const [i, image] of images.entries()) values.set(image, i * image.length);
  return tensor(values, { device: network.lm_head.weight.device, shape: [images.length, 3, size, size] });
}
