import { readImage } from "../images/load-image.js";
import { type RgbImage, resizeBilinear } from "../images/resize.js";
import { type Scaling, toChannels } from "../images/scaling.js";
import { BLANK, blankImage } from "./image-control.js";
import type { RowSample } from "./record.js";
import { Sampler } from "./sampler.js";

/**
 * Images of a data set, read once, kept as resized bytes: 12 kB each at 64 pixels, 691 kB at 480. Where a sampler changes images they
 * are kept as they are in their files.
 */
export class ImageStore {
  /** Side of the square images in pixels. */
  readonly size: number;
  /** What training sees of a row. */
  readonly sampler: Sampler;
  readonly #scaling: Scaling;
  readonly #images = new Map<string, RgbImage>();

  constructor(size: number, scaling: Scaling, sampler: Sampler = new Sampler(0)) {
    this.size = size;
    this.sampler = sampler;
    this.#scaling = scaling;
    this.add(BLANK, blankImage);
  }

  /** Reads every image that is not there yet, some at a time. */
  async load(paths: Iterable<string>, signal?: AbortSignal): Promise<void> {
    const missing = [...new Set(paths)].filter((p) => !this.#images.has(p));
    const worker = async () => {
      for (let path = missing.pop(); path !== undefined; path = missing.pop()) {
        signal?.throwIfAborted();
        this.add(path, await readImage(path));
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
  }

  /** Adds an image that is already decoded. */
  add(name: string, image: RgbImage): void {
    this.#images.set(name, this.sampler.changesImages ? image : this.#resized(image));
  }

  #resized(image: RgbImage): RgbImage {
    const { size } = this;
    return image.width === size && image.height === size ? image : resizeBilinear(image, size, size);
  }

  /** f32 [paths, 3, size, size], scaled. `samples`: where each stands in training; undefined for an image as it is. */
  batch(paths: readonly string[], samples: readonly (RowSample | undefined)[] = []): Float32Array {
    const length = 3 * this.size * this.size;
    const out = new Float32Array(paths.length * length);
    paths.forEach((path, i) => {
      const image = this.#images.get(path);
      if (!image) throw new Error(`ImageStore: ${path} was not loaded`);
      const sample = samples[i];
      const seen = sample ? this.sampler.image(image, this.size, sample) : image;
      out.set(toChannels(this.#resized(seen), this.#scaling), i * length);
    });
    return out;
  }
}
