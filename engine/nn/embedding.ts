import { embedding } from "../ops/embedding.js";
import type { Tensor } from "../tensor.js";
import { type Init, type Initializer, normal } from "./init.js";
import { at, Module } from "./module.js";

/** Rows of a table by id. `paddingIndex` gets no gradient from look-ups. */
export class Embedding extends Module {
  /** [rows, width]. */
  weight: Tensor;
  /** The row that look-ups give no gradient; none where undefined. */
  readonly paddingIndex: number | undefined;

  constructor(
    init: Initializer,
    rows: number,
    width: number,
    options: { paddingIndex?: number; weightInit?: Init } = {},
  ) {
    super();
    this.weight = init.parameter([rows, width], options.weightInit ?? normal(1));
    this.paddingIndex = options.paddingIndex;
  }

  /** ids i32 [...] to [..., width]. An id out of range is a FaultError at the next await. */
  forward(ids: Tensor): Tensor {
    return at(this, () => embedding(this.weight, ids, { paddingIndex: this.paddingIndex }));
  }
}
