import { OptionError } from "../../../engine/index.js";
import { IMAGE_TOKEN } from "../input/image-tokens.js";
import { IGNORE } from "../input/sample.js";

/** Ids of one text, images as `IMAGE_TOKEN`, without padding; and what is learnt at each, -100 for nothing. */
export interface Sample {
  /** Of the text, -200 in the place of each image. */
  readonly ids: ArrayLike<number>;
  /** As long as `ids`. */
  readonly labels?: ArrayLike<number>;
}

/**
 * Where each row of the spliced batch comes from. A row of a text is that of its token in the word embedding; rows of an
 * image follow each other; padding is on the right.
 */
export interface SplicePlan {
  /** Rows of the longest sample, image rows counted. */
  readonly length: number;
  /** Rows of each sample. */
  readonly lengths: readonly number[];
  /** Token ids of all texts, one after the other. */
  readonly tokens: Int32Array;
  /** Which of the batch's images are shown, in order; those of text-only samples are not. */
  readonly images: readonly number[];
  /** [samples · length]: a place in `tokens`; behind them, the rows of `images`; behind those, the one row of zeros. */
  readonly rows: Int32Array;
  /** [samples · length]: IGNORE at images and padding. Null where no sample has labels. */
  readonly labels: Int32Array | null;
}

/**
 * Puts `imageRows` rows in the place of each image token. Images stand in the order of their placeholders over the batch; a
 * text without a placeholder takes one image all the same, unseen, as the published data loader gives it a black one. With
 * `images` null there are none at all. Throws OptionError where images and placeholders do not pair, where labels and ids
 * differ in length, or where a sample is longer than `positions`.
 */
export function planSplice(
  samples: readonly Sample[],
  images: number | null,
  { imageRows, positions }: { imageRows: number; positions: number },
): SplicePlan {
  const places = samples.map(({ ids }) => Array.from(ids).filter((id) => id === IMAGE_TOKEN).length);
  checkImages(places, images);
  const lengths = samples.map(({ ids }, b) => ids.length + places[b] * (imageRows - 1));
  const length = Math.max(0, ...lengths);
  check(samples, lengths, places, positions);

  const tokens: number[] = [];
  const shown: number[] = [];
  // Rows of images are known as negative numbers until all texts are counted.
  const rows = new Int32Array(samples.length * length).fill(PADDING);
  const labelled = samples.some(({ labels }) => labels);
  const labels = labelled ? new Int32Array(rows.length).fill(IGNORE) : null;
  let image = 0;
  for (const [b, sample] of samples.entries()) {
    let at = b * length;
    for (let i = 0; i < sample.ids.length; i++) {
      const id = sample.ids[i];
      if (id === IMAGE_TOKEN) {
        for (let row = 0; row < imageRows; row++) rows[at++] = -1 - (shown.length * imageRows + row);
        shown.push(image++);
      } else {
        if (labels && sample.labels) labels[at] = sample.labels[i];
        rows[at++] = tokens.push(id) - 1;
      }
    }
    if (places[b] === 0) image++;
  }
  const zeros = tokens.length + shown.length * imageRows;
  for (let i = 0; i < rows.length; i++)
    if (rows[i] === PADDING) rows[i] = zeros;
    else if (rows[i] < 0) rows[i] = tokens.length - 1 - rows[i];
  return { length, lengths, tokens: Int32Array.from(tokens), images: shown, rows, labels };
}

const PADDING = -(2 ** 31);

function checkImages(places: readonly number[], images: number | null): void {
  const placeholders = places.reduce((a, b) => a + b, 0);
  if (images === null) {
    if (placeholders > 0)
      throw new OptionError(`There are ${placeholders} image placeholders in the text, but no images were given.`);
    return;
  }
  const textOnly = places.filter((n) => n === 0).length;
  const wanted = placeholders + textOnly;
  if (images === wanted) return;
  const needs =
    textOnly === 0
      ? `${placeholders} image placeholders in the text`
      : `${placeholders} image placeholders in the text and ${textOnly} texts without one, each of which takes an unseen image`;
  throw new OptionError(
    `${images} images were given for ${needs}: ${wanted} are needed. Give one image for each placeholder, in their order.`,
  );
}

function check(
  samples: readonly Sample[],
  lengths: readonly number[],
  places: readonly number[],
  positions: number,
): void {
  for (const [b, { ids, labels }] of samples.entries()) {
    if (labels && labels.length !== ids.length)
      throw new OptionError(`Sample ${b} has ${ids.length} ids, but ${labels.length} labels.`);
    if (ids.length === 0) throw new OptionError(`Sample ${b} is empty.`);
    if (lengths[b] > positions)
      throw new OptionError(
        `Sample ${b} has ${lengths[b]} positions (${ids.length - places[b]} tokens, ${places[b]} images), the model has ${positions}. Shorten the text.`,
      );
  }
}
