/**
 * Pillow's `Image.resize(size, BILINEAR)` for RGB, bit for bit: a triangle filter that widens when shrinking
 * (antialias), separable, horizontal pass first, weights in fixed point, rounded to 8 bits between the passes.
 * Source: Pillow, src/libImaging/Resample.c. The published models were trained on images resized that way.
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

/** 8 bits of pixel and 2 of headroom for weights above 1 in a 32-bit sum. */
const PRECISION_BITS = 32 - 8 - 2;

export function resizeBilinear(image: RgbImage, width: number, height: number): RgbImage {
  for (const [name, size] of Object.entries({ width, height })) {
    if (!(Number.isInteger(size) && size > 0)) throw new OptionError(`resizeBilinear: ${name} ${size}.`);
  }
  if (image.rgb.length !== image.width * image.height * 3 || image.rgb.length === 0) {
    const { length } = image.rgb;
    throw new OptionError(`resizeBilinear: ${length} bytes for ${image.width}x${image.height} RGB pixels.`);
  }
  const wide = image.width === width ? image : horizontal(image, width);
  return wide.height === height ? wide : vertical(wide, height);
}

interface Taps {
  /** First source position of each output position. */
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** [outputs, taps], fixed point. */
  readonly weight: Int32Array;
  /** Stride of `weight`. */
  readonly taps: number;
}

function triangleTaps(from: number, to: number): Taps {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(to);
  const count = new Int32Array(to);
  const weight = new Int32Array(to * taps);
  const exact = new Float64Array(taps);

  for (let out = 0; out < to; out++) {
    const center = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const last = Math.min(Math.trunc(center + support + 0.5), from);
    let sum = 0;
    for (let i = first; i < last; i++) {
      const distance = Math.abs((i - center + 0.5) * (1 / support));
      exact[i - first] = distance < 1 ? 1 - distance : 0;
      sum += exact[i - first];
    }
    start[out] = first;
    count[out] = last - first;
    for (let k = 0; k < last - first; k++) {
      weight[out * taps + k] = Math.trunc(0.5 + (sum === 0 ? exact[k] : exact[k] / sum) * 2 ** PRECISION_BITS);
    }
  }
  return { start, count, weight, taps };
}

function horizontal({ width: from, height, rgb }: RgbImage, width: number): RgbImage {
  const { start, count, weight, taps } = triangleTaps(from, width);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const source = (y * from + start[x]) * 3;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2 ** (PRECISION_BITS - 1);
        for (let k = 0; k < count[x]; k++) sum += rgb[source + k * 3 + channel] * weight[x * taps + k];
        out[(y * width + x) * 3 + channel] = sum >> PRECISION_BITS;
      }
    }
  }
  return { width, height, rgb: new Uint8Array(out.buffer) };
}

function vertical({ width, height: from, rgb }: RgbImage, height: number): RgbImage {
  const { start, count, weight, taps } = triangleTaps(from, height);
  const pitch = width * 3;
  const out = new Uint8ClampedArray(pitch * height);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < pitch; i++) {
      let sum = 2 ** (PRECISION_BITS - 1);
      for (let k = 0; k < count[y]; k++) sum += rgb[(start[y] + k) * pitch + i] * weight[y * taps + k];
      out[y * pitch + i] = sum >> PRECISION_BITS;
    }
  }
  return { width, height, rgb: new Uint8Array(out.buffer) };
}
