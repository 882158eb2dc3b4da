import { cast, type nn, reshape, slice } from "../../../engine/index.js";
import { KeyValueCache } from "../../decoder/key-value-cache.js";
import type { LanguageModel } from "../../generation/index.js";
import type { MedMoeNetwork } from "../network/network.js";

/** What `languageModel` takes besides the network. */
export interface LanguageModelOptions {
  /** Ids below it can be chosen: the tokenizer's size, where the head has more rows. Default: all rows. */
  readonly vocabulary?: number;
  /** Is shown what the mixtures said in each step, by layer, null where there is none; their tensors are gone afterwards. */
  readonly onMixtures?: (mixtures: readonly (nn.MoeOutput | null)[]) => void;
}

/** The language model of a network as generation sees it. Prompts with images are the rows of `network.splice`. */
export function languageModel(
  network: MedMoeNetwork,
  { vocabulary, onMixtures }: LanguageModelOptions = {},
): LanguageModel<KeyValueCache> {
  const { model } = network;
  const { device, dtype } = model.embed_tokens.weight;
  return {
    device,
    positions: model.config.positions,
    embed: (ids) => model.embed_tokens.forward(ids),
    newCache: (size) => new KeyValueCache(model.config, { device, dtype: dtype as "f32", ...size }),
    next(embeds, step) {
      const { states, mixtures } = network.states(embeds, step);
      onMixtures?.(mixtures);
      const [B, L, width] = states.shape;
      const last = reshape(slice(states, { dim: 1, start: L - 1, length: 1 }), [B, width]);
      const logits = network.logits(last);
      const known = Math.min(vocabulary ?? logits.shape[1], logits.shape[1]);
      const chosen = known < logits.shape[1] ? slice(logits, { dim: 1, start: 0, length: known }) : logits;
      return cast(chosen, "f32");
    },
  };
}
