/** From stored values to shades of grey: rescaled, then through a window, as a viewer shows them (PS3.3 C.11.1, C.11.2). */
import type { VoiWindow } from "./header.js";

export interface GreyValues {
  readonly slope: number;
  readonly intercept: number;
  /** Without one, the smallest value is black and the largest white. */
  readonly window: VoiWindow | null;
  /** Left out of smallest and largest. */
  readonly padding: number | null;
  /** Low values are light, as on a film. */
  readonly isInverted: boolean;
}

/** The values of a frame as its file has them: read where they lie, for a frame may be a large part of memory. */
export interface StoredValues {
  /** Pixels. */
  readonly length: number;
  at(pixel: number): number;
}

/** Red, green and blue of each stored value: a shade from 0 to 255, three times. */
export function greyPixels(stored: StoredValues, options: GreyValues): Uint8Array {
  const shadeOf = shadeFunction(stored, options);
  // A frame has far fewer values than pixels.
  const known = new Map<number, number>();
  const rgb = new Uint8Array(stored.length * 3);
  for (let i = 0; i < stored.length; i++) {
    const value = stored.at(i);
    const shade = known.get(value) ?? shadeOf(value);
    known.set(value, shade);
    rgb.fill(shade, i * 3, i * 3 + 3);
  }
  return rgb;
}

function shadeFunction(stored: StoredValues, { slope, intercept, window, padding, isInverted }: GreyValues) {
  const share = window ? windowed(window) : spread(stored, slope, intercept, padding);
  return (value: number): number => {
    const clamped = Math.min(Math.max(share(value * slope + intercept), 0), 1);
    const shade = Math.floor(clamped * 255 + 0.5);
    return isInverted ? 255 - shade : shade;
  };
}

/** From 0 at the dark end of the window to 1 at its light end. */
function windowed({ centre, width, form }: VoiWindow): (value: number) => number {
  if (form === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  if (form === "LINEAR_EXACT") return (value) => (value - centre) / width + 0.5;
  // A window of one value is a threshold.
  if (width <= 1) return (value) => (value > centre - 0.5 ? 1 : 0);
  return (value) => (value - (centre - 0.5)) / (width - 1) + 0.5;
}

function spread(stored: StoredValues, slope: number, intercept: number, padding: number | null) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < stored.length; i++) {
    const value = stored.at(i);
    if (value === padding) continue;
    const real = value * slope + intercept;
    if (real < low) low = real;
    if (real > high) high = real;
  }
  return (value: number) => (high > low ? (value - low) / (high - low) : 0);
}
