import { noGrad, scope, squeeze, type Tensor } from "../../engine/index.js";
import { tokenTensors } from "./batch.js";
import type { MissNetwork } from "./network.js";
import type { MissTokenizer } from "./tokenizer.js";

/** What features are of, in the modes of BLIP's feature extractor; `Image` is what is at hand of one. */
export type FeatureInput<Image> =
  | {
      /** The image alone, by the vision encoder: the class token first, then the patches row by row. */
      readonly mode: "image";
      /** The image. */
      readonly image: Image;
    }
  | {
      /** The text alone, by the JTM without its cross-attention: [CLS] first, [SEP] last. */
      readonly mode: "text";
      /** The text, never cut. */
      readonly text: string;
    }
  | {
      /** The text in the light of the image, by the whole JTM: [ENC] first, [SEP] last. */
      readonly mode: "multimodal";
      /** The image. */
      readonly image: Image;
      /** The text, never cut. */
      readonly text: string;
    };

/** States of the last layer, one row for each token; the first row stands for all of them. */
export interface Features {
  /** Row-major. */
  readonly values: Float32Array;
  /** [tokens, width]. */
  readonly shape: readonly [number, number];
}

/** Features of one input; its image as f32 [1, 3, S, S]. Throws OptionError for a text beyond the model's positions. */
export async function features(
  network: MissNetwork,
  tokenizer: MissTokenizer,
  input: FeatureInput<Tensor>,
): Promise<Features> {
  using states = noGrad(() => scope(() => squeeze(statesOf(network, tokenizer, input), 0)));
  const [tokens, width] = states.shape;
  return { values: (await states.data()) as Float32Array, shape: [tokens, width] };
}

function statesOf(network: MissNetwork, tokenizer: MissTokenizer, input: FeatureInput<Tensor>): Tensor {
  if (input.mode === "image") return network.visual_encoder.forward(input.image);
  const { device } = network.text_encoder.embeddings.word_embeddings.weight;
  const text = tokenTensors(
    device,
    tokenizer.encodeText(input.text, input.mode === "text" ? "cls" : "enc", network.config.maxPositions),
  );
  const cross = input.mode === "text" ? null : network.visual_encoder.forward(input.image);
  return network.text_encoder.forward(text.ids, { mask: text.mask, cross, crossMask: null, causal: false });
}
