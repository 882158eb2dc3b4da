import { type Device, io, type Tensor, tensor } from "../../../engine/index.js";
import type { GoldenTensor } from "../../golden/read.js";

/** Golden tensors of one file, by name. */
export class GoldenFile {
  readonly #file: string;
  readonly #values: ReadonlyMap<string, GoldenTensor>;

  constructor(file: string, values: ReadonlyMap<string, GoldenTensor>) {
    this.#file = file;
    this.#values = values;
  }

  get names(): string[] {
    return [...this.#values.keys()];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get(name: string): GoldenTensor {
    const found = this.#values.get(name);
    if (!found) throw new io.FileFormatError(this.#file, `there is no tensor ${name}`, "Make the folder anew");
    return found;
  }

  /** On a device: integers as i32. */
  tensor(device: Device, name: string): Tensor {
    const { values, shape, integer } = this.get(name);
    return tensor(values, { device, shape, dtype: integer ? "i32" : "f32" });
  }

  /** As i32, where whole numbers are stored as f32. */
  integers(device: Device, name: string): Tensor {
    const { values, shape } = this.get(name);
    return tensor(Int32Array.from(values), { device, shape });
  }

  /** All but those that `isInput` knows: what is to be computed. */
  expected(isInput: (name: string) => boolean): ReadonlyMap<string, GoldenTensor> {
    return new Map([...this.#values].filter(([name]) => !isInput(name)));
  }
}
