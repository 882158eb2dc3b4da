/** Samples of different lengths as one batch. */
import { OptionError } from "../../../engine/index.js";
import { dummyImage } from "./image-input.js";
import { IMAGE_TOKEN } from "./image-tokens.js";
import { IGNORE, TEXT_LENGTH, type TextSample } from "./sample.js";

export interface TextBatch {
  /** Rows. */
  readonly B: number;
  /** Columns: the longest sample, `maxLength` at most. */
  readonly L: number;
  /** [B, L], padded on the right. */
  readonly ids: Int32Array;
  /** [B, L], 1 where an id is not padding. */
  readonly mask: Uint8Array;
  /** [B, L], IGNORE where nothing is trained. */
  readonly labels: Int32Array;
  /** [B], placeholders left in each row. Images of placeholders that were cut off are left out with them. */
  readonly images: Int32Array;
}

/** Cut to `maxLength` ids, padded with `pad` to the longest. */
export function collate(
  samples: readonly Pick<TextSample, "ids" | "labels">[],
  pad: number,
  maxLength = TEXT_LENGTH,
): TextBatch {
  const B = samples.length;
  const L = Math.min(maxLength, Math.max(0, ...samples.map(({ ids }) => ids.length)));
  const ids = new Int32Array(B * L).fill(pad);
  const labels = new Int32Array(B * L).fill(IGNORE);
  const images = new Int32Array(B);
  for (const [b, sample] of samples.entries()) {
    const kept = sample.ids.slice(0, L);
    ids.set(kept, b * L);
    labels.set(sample.labels.slice(0, L), b * L);
    images[b] = kept.filter((id) => id === IMAGE_TOKEN).length;
  }
  return { B, L, ids, mask: Uint8Array.from(ids, (id) => (id === pad ? 0 : 1)), labels, images };
}

/**
 * The images of a batch, [N, 3, size, size] in the order of its placeholders, `samples[b]` those of row b. A row without
 * any has one of zeros, which the model takes and leaves unused; a row that was cut takes the first of its images.
 */
export function collateImages(
  { images }: Pick<TextBatch, "images">,
  samples: readonly (readonly Float32Array[])[],
  size: number,
): Float32Array {
  const dummy = dummyImage(size);
  const rows = samples.map((own, b) => {
    if (own.length < images[b]) throw unequal(own.length, images[b]);
    return images[b] === 0 ? [dummy] : own.slice(0, images[b]);
  });
  const pixels = new Float32Array(rows.flat().length * dummy.length);
  for (const [i, image] of rows.flat().entries()) {
    if (image.length !== dummy.length)
      throw new OptionError(`An image has ${image.length} values, ${dummy.length} are needed (3 x ${size} x ${size}).`);
    pixels.set(image, i * dummy.length);
  }
  return pixels;
}

/** Throws OptionError where a text has another number of places than there are images. */
export function requirePlaces(places: number, images: number): void {
  if (places !== images) throw unequal(images, places);
}

const unequal = (images: number, places: number) =>
  new OptionError(`${images} images for ${places} <image> in the text: each image has one place there.`);
