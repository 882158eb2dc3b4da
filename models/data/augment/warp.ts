/** Affine maps of an image onto itself, bilinear, grey where nothing comes from. Size and centre stay. */
import type { RgbImage } from "../../images/resize.js";

/** Where a pixel comes from: x' = a x + b y + c, y' = d x + e y + f. */
type Source = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const FILL = 128;

/** To the right by `x` times the row, down by `y` times the column; one of them is 0. */
export const shear = (image: RgbImage, x: number, y: number): RgbImage => warp(image, [1, -x, 0, -y, 1, 0]);

/** To the left and up, by whole or broken pixels. */
export const translate = (image: RgbImage, left: number, up: number): RgbImage => warp(image, [1, 0, left, 0, 1, up]);

/** Counter-clockwise around the middle. */
export function rotate(image: RgbImage, degrees: number): RgbImage {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [image.width / 2, image.height / 2];
  return warp(image, [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y]);
}

function warp(image: RgbImage, [a, b, c, d, e, f]: Source): RgbImage {
  const { width, height, rgb } = image;
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [sx, sy] = [a * x + b * y + c, d * x + e * y + f];
      const [left, top] = [Math.floor(sx), Math.floor(sy)];
      const [dx, dy] = [sx - left, sy - top];
      for (let channel = 0; channel < 3; channel++) {
        const at = (px: number, py: number) =>
          px >= 0 && py >= 0 && px < width && py < height ? rgb[(py * width + px) * 3 + channel] : FILL;
        const above = at(left, top) * (1 - dx) + at(left + 1, top) * dx;
        const below = at(left, top + 1) * (1 - dx) + at(left + 1, top + 1) * dx;
        out[(y * width + x) * 3 + channel] = Math.round(above * (1 - dy) + below * dy);
      }
    }
  return { width, height, rgb: out };
}
