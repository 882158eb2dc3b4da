import type { Binding } from "../../bindings/device.js";
import { FaultError } from "../errors.js";
import type { Storage } from "./storage.js";

/** What a fault means, by the code that a kernel writes. */
const MEANINGS: Readonly<Record<number, string>> = {
  1: "index {value} at position {position} is out of range",
  2: "value at position {position} is not finite",
};

/** u32[4] written once by the first kernel that meets a fault: its code, the op's label, position, value. */
export class FaultWords {
  readonly storage: Storage;
  readonly #binding: Binding;
  /** Of the ops that may have met one; a kernel writes a position in this list. */
  readonly #labels: string[] = [];

  constructor(binding: Binding, storage: Storage) {
    this.#binding = binding;
    this.storage = storage;
    this.#clear();
  }

  /** The number of `label`, for a launch that may write it. */
  label(label: string): number {
    const index = this.#labels.indexOf(label);
    return index < 0 ? this.#labels.push(label) - 1 : index;
  }

  /** Throws the fault that all earlier work has met, once. Reads nothing where no launch could have met one. */
  async check(): Promise<void> {
    if (this.#labels.length === 0) return;
    const [code, label, position, value] = new Uint32Array(await this.#binding.read(this.storage.memory, 16, "u32"));
    if (code === 0) return;
    this.#clear();
    const text = (MEANINGS[code] ?? `fault ${code}`)
      .replace("{value}", String(value | 0))
      .replace("{position}", String(position));
    throw new FaultError(`${this.#labels[label] ?? "unknown op"}: ${text}. It counts as zero.`);
  }

  #clear(): void {
    this.#binding.write(this.storage.memory, new Uint32Array(4), "u32");
  }
}
