import type { Tensor } from "../../engine/index.js";
import { type LoadedMedMoe, loadMedMoe, type MedMoeLoadOptions } from "./load.js";
import type { MedMoeNetwork } from "./network.js";
import type { Sample } from "./splice.js";

/**
 * A Med-MoE model, or one on the way to it.
 *
 *     const model = await MedMoe.load("llavastablelm-1.6b-medmoe", { device });
 *     const logits = noGrad(() => model.forward([{ ids }], pixels));
 *     model.dispose();
 */
export class MedMoe {
  /** The network, in `eval()` mode. */
  readonly network: MedMoeNetwork;
  /** Where it was loaded from. */
  readonly folder: string;
  /** What loading did beside copying. */
  readonly loaded: Omit<LoadedMedMoe, "network">;

  private constructor(folder: string, { network, ...loaded }: LoadedMedMoe) {
    this.folder = folder;
    this.network = network;
    this.loaded = loaded;
  }

  /** Loads a folder in the published layout: see `loadMedMoe`. */
  static async load(folder: string, options: MedMoeLoadOptions): Promise<MedMoe> {
    return new MedMoe(folder, await loadMedMoe(folder, options));
  }

  /**
   * Logits [B, T, vocabulary] of ids with -200 in the place of each image, and of `pixels` [N, 3, S, S], an image for each
   * placeholder in their order, and one, unseen, for each text without any; null where there are no images at all.
   */
  forward(samples: readonly Sample[], pixels: Tensor | null): Tensor {
    return this.network.forward(samples, pixels);
  }

  /** Frees the weights. */
  dispose(): void {
    this.network.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
