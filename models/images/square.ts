import type { RgbImage, Window } from "./resize.js";

/** On a square of the longer side, in its middle; what is left over has one colour. A square image is returned as it is. */
export function padToSquare(image: RgbImage, colour: readonly [number, number, number]): RgbImage {
  const { width, height, rgb } = image;
  if (width === height) return image;
  const side = Math.max(width, height);
  const [left, top] = [Math.floor((side - width) / 2), Math.floor((side - height) / 2)];
  const square = new Uint8Array(side * side * 3);
  for (let i = 0; i < square.length; i += 3) square.set(colour, i);
  for (let y = 0; y < height; y++)
    square.set(rgb.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * side + left) * 3);
  return { width: side, height: side, rgb: square };
}

/** The square in the middle; the odd pixel goes to the right and below. */
export const centreSquare = (width: number, height: number, side: number): Window => ({
  left: Math.floor((width - side) / 2),
  top: Math.floor((height - side) / 2),
  width: side,
  height: side,
});
