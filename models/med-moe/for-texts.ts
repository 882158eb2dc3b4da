import type { Device } from "../../engine/index.js";
import type { TextTokenizer } from "../text/text-tokenizer.js";
import { loadTokenizer } from "../text/tokenizer-folder.js";
import { loadMedMoe } from "./load.js";
import type { MedMoeNetwork } from "./network.js";
import { SquareImages } from "./square-images.js";
import { type Template, templateNamed } from "./template.js";

/** A model with all that turns its texts and images into numbers. */
export interface MedMoeForTexts extends Disposable {
  /** Weights. */
  readonly network: MedMoeNetwork;
  /** Vocabulary. */
  readonly tokenizer: TextTokenizer;
  /** How messages become a prompt. */
  readonly template: Template;
  /** Reads images. */
  readonly images: SquareImages;
}

/** Loads a model's folder. `plain`: it knows captions, and no conversations yet. */
export async function openMedMoeForTexts(
  folder: string,
  { device, plain, pad }: { device: Device; plain: boolean; pad: boolean },
): Promise<MedMoeForTexts> {
  const { network } = await loadMedMoe(folder, { device });
  try {
    const { family } = network.config;
    const { tokenizer } = await loadTokenizer(folder, family);
    return {
      network,
      tokenizer,
      template: templateNamed(plain ? "plain" : family),
      images: new SquareImages(network.image_tower.config.imageSize, pad),
      [Symbol.dispose]: () => network.dispose(),
    };
  } catch (error) {
    network.dispose();
    throw error;
  }
}
