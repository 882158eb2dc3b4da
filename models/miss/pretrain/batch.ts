import { type Device, OptionError, type Tensor, tensor } from "../../../engine/index.js";
import { shiftTargets } from "../targets.js";
import type { TokenBatch } from "../tokenizer.js";

/** Images and their captions as the network reads them, on its device. */
export interface PretrainBatch {
  /** f32 [B, 3, S, S] */
  readonly image: Tensor;
  /** i32 [B, L]: [CLS] first to be compared, [ENC] to be matched, [DEC] to be written. */
  readonly ids: Tensor;
  readonly matchedIds: Tensor;
  readonly writtenIds: Tensor;
  /** i32 [B, L], 0 on padding. */
  readonly mask: Tensor;
  /** i32 [B, L - 1]: the next token of each position, IGNORE where it is padding. */
  readonly targets: Tensor;
}

/** First ids by what a caption is for. */
export interface FirstIds {
  readonly cls: number;
  readonly enc: number;
  readonly dec: number;
  readonly pad: number;
}

/** A batch from the caption's ids, whatever stands first in them. Throws OptionError below two pairs: there is no other one to be wrong. */
export function pretrainBatch(
  device: Device,
  image: Tensor,
  { ids, mask, B, T }: Pick<TokenBatch, "ids" | "mask" | "B" | "T">,
  { cls, enc, dec, pad }: FirstIds,
): PretrainBatch {
  if (B < 2)
    throw new OptionError(
      `pre-training: a batch of ${B} has no wrong text for its image, which matching needs. Use a batch of 2 or more.`,
    );
  const i32 = (values: Int32Array, L = T) => tensor(values, { device, shape: [B, L], dtype: "i32" });
  const starting = (id: number) => {
    const rows = Int32Array.from(ids);
    for (let b = 0; b < B; b++) rows[b * T] = id;
    return i32(rows);
  };
  return {
    image,
    ids: starting(cls),
    matchedIds: starting(enc),
    writtenIds: starting(dec),
    mask: i32(Int32Array.from(mask)),
    targets: i32(shiftTargets(ids, B, T, pad), T - 1),
  };
}
