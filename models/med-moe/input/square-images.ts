import { readImage } from "../../images/load-image.js";
import type { RgbImage } from "../../images/resize.js";
import { scaled, squarePixels } from "./image-input.js";

/** Bytes of images that are kept: 1,500 of 336 pixels. */
export const KEPT_BYTES = 2 ** 29;
/** Read at a time. */
const READERS = 4;

/** Images as the tower reads them. Those used last are kept as bytes, so that a small data set is decoded once. */
export class SquareImages {
  /** Side in pixels. */
  readonly size: number;
  /** Whether images are padded to squares; else the middle is cut out. */
  readonly pad: boolean;
  readonly #kept = new Map<string, RgbImage>();
  readonly #keptBytes: number;

  constructor(size: number, pad: boolean, keptBytes = KEPT_BYTES) {
    this.size = size;
    this.pad = pad;
    this.#keptBytes = keptBytes;
  }

  /** The numbers of each image, in order. Errors name the file. */
  async read(paths: readonly string[], signal?: AbortSignal): Promise<Float32Array[]> {
    const squares = new Map<string, RgbImage>();
    const missing = [...new Set(paths)].filter((path) => {
      const kept = this.#kept.get(path);
      if (kept) squares.set(path, kept);
      return !kept;
    });
    const reader = async () => {
      for (let path = missing.pop(); path !== undefined; path = missing.pop()) {
        signal?.throwIfAborted();
        squares.set(path, squarePixels(await readImage(path), this.size, this.pad));
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    for (const [path, square] of squares) this.#keep(path, square);
    return paths.map((path) => scaled(squares.get(path) as RgbImage));
  }

  /** Last in line; the first ones go where there is no room. */
  #keep(path: string, square: RgbImage): void {
    this.#kept.delete(path);
    this.#kept.set(path, square);
    const most = Math.max(1, Math.floor(this.#keptBytes / (3 * this.size ** 2)));
    for (const first of this.#kept.keys()) {
      if (this.#kept.size <= most) break;
      this.#kept.delete(first);
    }
  }
}
