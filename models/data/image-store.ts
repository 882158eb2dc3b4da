import { readImage } from "../images/load-image.js";
import { type RgbImage, resizeBilinear } from "../images/resize.js";
import { type Scaling, toChannels } from "../images/scaling.js";
import { BLANK, blankImage } from "./image-control.js";

/** Images of a data set, read once, kept as resized bytes: 12 kB each at 64 pixels, 691 kB at 480. */
export class ImageStore {
  /** Side of the square images in pixels. */
  readonly size: number;
  readonly #scaling: Scaling;
  readonly #images = new Map<string, RgbImage>();

  constructor(size: number, scaling: Scaling) {
    this.size = size;
    this.#scaling = scaling;
    this.add(BLANK, blankImage);
  }

  /** Reads every image that is not there yet, some at a time. */
  async load(paths: Iterable<string>, signal?: AbortSignal): Promise<void> {
    const missing = [...new Set(paths)].filter((p) => !this.#images.has(p));
    const worker = async () => {
      for (let path = missing.pop(); path !== undefined; path = missing.pop()) {
        signal?.throwIfAborted();
        this.#images.set(path, resizeBilinear(await readImage(path), this.size, this.size));
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
  }

  /** Adds an image that is already decoded. */
  add(name: string, image: RgbImage): void {
    this.#images.set(name, resizeBilinear(image, this.size, this.size));
  }

  /** f32 [paths, 3, size, size], scaled. */
  batch(paths: readonly string[]): Float32Array {
    const length = 3 * this.size * this.size;
    const out = new Float32Array(paths.length * length);
    paths.forEach((path, i) => {
      const image = this.#images.get(path);
      if (!image) throw new Error(`ImageStore: ${path} was not loaded`);
      out.set(toChannels(image, this.#scaling), i * length);
    });
    return out;
  }
}
