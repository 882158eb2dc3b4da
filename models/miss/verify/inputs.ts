import { type Device, io, type Tensor, tensor } from "../../../engine/index.js";
import type { GoldenTensor } from "../../golden/read.js";
import type { MissBatch } from "../network.js";
import type { AnswerList } from "../rank.js";
import { shiftTargets } from "../targets.js";

/** The inputs of the golden tensors on a device. */
export class GoldenInputs {
  readonly #values: Map<string, GoldenTensor>;
  readonly #pad: number;

  constructor(values: Map<string, GoldenTensor>, pad: number) {
    this.#values = values;
    this.#pad = pad;
  }

  #get(name: string) {
    const found = this.#values.get(name);
    if (!found)
      throw new io.FileFormatError("inputs.safetensors", `there is no tensor ${name}`, "Make the folder anew");
    return found;
  }

  tensor(device: Device, name: string): Tensor {
    const { values, shape, integer } = this.#get(name);
    return tensor(values, { device, shape, dtype: integer ? "i32" : "f32" });
  }

  numbers(name: string): ArrayLike<number> {
    return this.#get(name).values;
  }

  /** Next tokens of ids [B, L], IGNORE where they are padding. */
  targets(device: Device, name: string): Tensor {
    const { values, shape } = this.#get(name);
    const [B, L] = shape;
    return tensor(shiftTargets(values, B, L, this.#pad), { device, shape: [B, L - 1], dtype: "i32" });
  }

  batch(device: Device): MissBatch {
    return {
      image: this.tensor(device, "image"),
      questionIds: this.tensor(device, "question_ids"),
      questionMask: this.tensor(device, "question_mask"),
      answerIds: this.tensor(device, "answer_ids"),
      answerMask: this.tensor(device, "answer_mask"),
      targets: this.targets(device, "answer_ids"),
    };
  }

  candidates(): AnswerList {
    const rows = (name: string) => {
      const { values, shape } = this.#get(name);
      return Array.from({ length: shape[0] }, (_, i) =>
        Int32Array.from(values as Int32Array).subarray(i * shape[1], (i + 1) * shape[1]),
      );
    };
    return { ids: rows("cand_ids"), mask: rows("cand_mask") };
  }
}
