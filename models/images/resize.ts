/**
 * Pillow's `Image.resize` for RGB, bit for bit: a filter that widens when shrinking (antialias), separable, horizontal
 * pass first, weights in fixed point, rounded to 8 bits between the passes. Source: Pillow, src/libImaging/Resample.c.
 * The published models were trained on images resized that way.
 */
import { OptionError } from "../../engine/index.js";

/** Pixels in 8-bit RGB. */
export interface RgbImage {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Red, green, blue, 8 bits each, row by row. */
  readonly rgb: Uint8Array;
}

/** A part of an image, in pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface Filter {
  /** Where the weight becomes zero, in source pixels when enlarging. */
  readonly support: number;
  /** At a distance of at least 0. */
  weight(distance: number): number;
}

const TRIANGLE: Filter = { support: 1, weight: (d) => (d < 1 ? 1 - d : 0) };

/** Keys' cubic convolution, a = -0.5. */
const CUBIC: Filter = {
  support: 2,
  weight(d) {
    const a = -0.5;
    if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  },
};

/** 8 bits of pixel and 2 of headroom for weights above 1 in a 32-bit sum. */
const PRECISION_BITS = 32 - 8 - 2;

/** `BILINEAR`. */
export const resizeBilinear = (image: RgbImage, width: number, height: number): RgbImage =>
  resize("resizeBilinear", TRIANGLE, image, width, height);

/** `BICUBIC`. With a `window`, that part of the result: the rest is not computed. */
export const resizeBicubic = (image: RgbImage, width: number, height: number, window?: Window): RgbImage =>
  resize("resizeBicubic", CUBIC, image, width, height, window);

function resize(
  name: string,
  filter: Filter,
  image: RgbImage,
  width: number,
  height: number,
  window: Window = { left: 0, top: 0, width, height },
): RgbImage {
  for (const [side, size] of Object.entries({ width, height })) {
    if (!(Number.isInteger(size) && size > 0)) throw new OptionError(`${name}: ${side} ${size}.`);
  }
  if (image.rgb.length !== image.width * image.height * 3 || image.rgb.length === 0) {
    const { length } = image.rgb;
    throw new OptionError(`${name}: ${length} bytes for ${image.width}x${image.height} RGB pixels.`);
  }
  const { left, top } = window;
  const [right, bottom] = [left + window.width, top + window.height];
  if (!(left >= 0 && top >= 0 && right <= width && bottom <= height)) {
    throw new OptionError(`${name}: the window ends at ${right}, ${bottom} in ${width}x${height} pixels.`);
  }
  const columns = tapsOf(filter, image.width, width, left, window.width);
  const rows = tapsOf(filter, image.height, height, top, window.height);
  return vertical(horizontal(image, columns, rows.first, rows.last), rows);
}

/** Where each output position comes from. */
interface Taps {
  /** Source positions that any of them reads: `first` to below `last`. */
  readonly first: number;
  readonly last: number;
  /** First source position of each. */
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** [outputs, taps], fixed point. */
  readonly weight: Int32Array;
  /** Stride of `weight`. */
  readonly taps: number;
}

/** Of the output positions `offset` to below `offset + length`, of `to` in all. */
function tapsOf(filter: Filter, from: number, to: number, offset: number, length: number): Taps {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = filter.support * widening;
  const taps = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(length);
  const count = new Int32Array(length);
  const weight = new Int32Array(length * taps);
  const exact = new Float64Array(taps);

  for (let i = 0; i < length; i++) {
    const center = (offset + i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const last = Math.min(Math.trunc(center + support + 0.5), from);
    let sum = 0;
    for (let k = first; k < last; k++) {
      exact[k - first] = filter.weight(Math.abs((k - center + 0.5) * (1 / widening)));
      sum += exact[k - first];
    }
    start[i] = first;
    count[i] = last - first;
    for (let k = 0; k < last - first; k++) weight[i * taps + k] = fixed(sum === 0 ? exact[k] : exact[k] / sum);
  }
  return { first: start[0], last: start[length - 1] + count[length - 1], start, count, weight, taps };
}

/** To the nearest, halves away from zero. */
const fixed = (weight: number) => Math.trunc(weight * 2 ** PRECISION_BITS + (weight < 0 ? -0.5 : 0.5));

/** The rows `first` to below `last` of the image, in the columns of the taps. */
function horizontal({ width: from, rgb }: RgbImage, columns: Taps, first: number, last: number): RgbImage {
  const { start, count, weight, taps } = columns;
  const [width, height] = [start.length, last - first];
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const source = ((first + y) * from + start[x]) * 3;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2 ** (PRECISION_BITS - 1);
        for (let k = 0; k < count[x]; k++) sum += rgb[source + k * 3 + channel] * weight[x * taps + k];
        out[(y * width + x) * 3 + channel] = sum >> PRECISION_BITS;
      }
    }
  }
  return { width, height, rgb: new Uint8Array(out.buffer) };
}

/** Of an image whose first row is the first that the taps read. */
function vertical({ width, rgb }: RgbImage, { first, start, count, weight, taps }: Taps): RgbImage {
  const pitch = width * 3;
  const height = start.length;
  const out = new Uint8ClampedArray(pitch * height);
  for (let y = 0; y < height; y++) {
    const source = (start[y] - first) * pitch;
    for (let i = 0; i < pitch; i++) {
      let sum = 2 ** (PRECISION_BITS - 1);
      for (let k = 0; k < count[y]; k++) sum += rgb[source + k * pitch + i] * weight[y * taps + k];
      out[y * pitch + i] = sum >> PRECISION_BITS;
    }
  }
  return { width, height, rgb: new Uint8Array(out.buffer) };
}
