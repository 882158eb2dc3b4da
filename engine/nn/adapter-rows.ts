import { listPlaces } from "../../kernels/top-k-routing/lists.js";
import type { Device } from "../device/device.js";
import { OptionError } from "../errors.js";
import { keep } from "../scope.js";
import { type Tensor, tensor } from "../tensor.js";

/** Tokens sorted by their adapters, as grouped products read them. */
export interface SortedRows {
  /** Names of the adapters that some row has, in the order of their groups. */
  readonly names: readonly string[];
  /** i32: the routing record of `kernels/top-k-routing/lists.ts`, one choice for each token; those of the base alone are dropped. */
  readonly lists: Tensor;
  /** For each token the place of its adapter in `names`, or -1. */
  readonly places: Int32Array;
}

/**
 * Which row of a batch has which adapter; null is the base alone. Layers see [rows, ...]: a row may stand for several in a row (beams), and
 * for all tokens of its text.
 */
export class AdapterRows {
  /** Names that occur, in order. */
  readonly names: readonly string[];
  readonly #of: readonly (string | null)[];
  readonly #sorted = new Map<number, SortedRows>();

  constructor(of: readonly (string | null)[]) {
    if (of.length === 0)
      throw new OptionError("AdapterRows: no row is named. Give a name, or null, for each row of the batch.");
    this.#of = of;
    this.names = [...new Set(of)].filter((name) => name !== null);
  }

  /** The sorted tokens of [tokens, ...] that belong to these rows. */
  sorted(device: Device, tokens: number): SortedRows {
    const rows = this.#of;
    if (tokens % rows.length !== 0)
      throw new OptionError(
        `adapters: ${rows.length} rows have one each, but the layer sees ${tokens} tokens, which is no multiple. Name one for each row of the batch.`,
      );
    let found = this.#sorted.get(tokens);
    if (!found) {
      const each = tokens / rows.length;
      const places = Int32Array.from({ length: tokens }, (_, t) => {
        const name = rows[Math.floor(t / each)];
        return name === null ? -1 : this.names.indexOf(name);
      });
      const values = record(places, Math.max(1, this.names.length));
      found = { names: this.names, lists: keep(tensor(values, { device, dtype: "i32" })), places };
      this.#sorted.set(tokens, found);
    }
    return found;
  }

  /** Frees the records. */
  dispose(): void {
    for (const { lists } of this.#sorted.values()) lists.dispose();
    this.#sorted.clear();
  }
}

/** The routing record of tokens that have chosen one of E each; -1 is dropped. */
function record(places: Int32Array, E: number): Int32Array {
  const R = places.length;
  const at = listPlaces(E, R);
  const values = new Int32Array(at.length).fill(-1);
  const counts = new Int32Array(E);
  for (const e of places) if (e >= 0) counts[e]++;
  values[at.offsets] = 0;
  for (let e = 0; e < E; e++) {
    values[at.counts + e] = counts[e];
    values[at.offsets + e + 1] = values[at.offsets + e] + counts[e];
  }
  const next = values.slice(at.offsets, at.offsets + E);
  places.forEach((e, t) => {
    values[at.experts + t] = Math.max(0, e);
    if (e < 0) return;
    values[at.position + t] = next[e];
    values[at.order + next[e]] = t;
    next[e]++;
  });
  return values;
}
