import { OptionError } from "../../engine/index.js";
import { shuffle } from "./order.js";
import { randomStream } from "./random.js";
import type { Splits, VqaRecord } from "./record.js";

/**
 * Holds out all questions of `fraction` of the images (rounded, at least one and not all): no test image occurs in
 * training. Depends on the seed and the set of image names, not on the order of the records, which is kept.
 */
export function splitByImage(records: readonly VqaRecord[], seed: number, fraction: number): Splits {
  const images = [...new Set(records.map((record) => record.image))].sort();
  if (images.length < 2) throw new OptionError(`splitByImage: ${images.length} images, needs at least 2.`);
  if (!(fraction > 0 && fraction < 1)) throw new OptionError(`splitByImage: fraction ${fraction} is not in (0, 1).`);

  const count = Math.min(Math.max(Math.round(fraction * images.length), 1), images.length - 1);
  const shuffled = shuffle(images.length, randomStream(seed, "split"));
  const held = new Set(Array.from(shuffled.subarray(0, count), (i) => images[i]));
  return {
    train: records.filter((record) => !held.has(record.image)),
    test: records.filter((record) => held.has(record.image)),
  };
}
