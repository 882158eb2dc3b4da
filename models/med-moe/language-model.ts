import { cast, reshape, slice } from "../../engine/index.js";
import { KeyValueCache } from "../decoder/key-value-cache.js";
import type { LanguageModel } from "../generation/index.js";
import type { MedMoeNetwork } from "./network.js";

/** The language model of a network as generation sees it. Prompts with images are the rows of `network.splice`. */
export function languageModel(network: MedMoeNetwork): LanguageModel<KeyValueCache> {
  const { model } = network;
  const { device, dtype } = model.embed_tokens.weight;
  return {
    device,
    positions: model.config.positions,
    embed: (ids) => model.embed_tokens.forward(ids),
    newCache: (size) => new KeyValueCache(model.config, { device, dtype: dtype as "f32", ...size }),
    next(embeds, step) {
      const { states } = network.states(embeds, step);
      const [B, L, width] = states.shape;
      const last = reshape(slice(states, { dim: 1, start: L - 1, length: 1 }), [B, width]);
      return cast(network.logits(last), "f32");
    },
  };
}
