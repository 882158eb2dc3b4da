/** Samples of different lengths as one batch. */
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
