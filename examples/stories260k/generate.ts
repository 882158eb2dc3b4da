import { argmax, noGrad, scope, tensor } from "consilium";
import { KeyValueCache, type Llama } from "./model.js";

/**
 * The most likely token after `start`, then after both, and so on, at most `count` of them. Each chosen token goes into the
 * next step on the device; it is read only to be yielded.
 */
export async function* greedy(model: Llama, start: number, count: number): AsyncGenerator<number> {
  const { device } = model.tok_embeddings.weight;
  using cache = new KeyValueCache(model.config, device);
  let token = tensor([[start]], { device, dtype: "i32" });
  try {
    for (let position = 0; position < Math.min(count, model.config.positions); position++) {
      const next = noGrad(() => scope(() => argmax(model.forward(token, cache, position))));
      token.dispose();
      token = next;
      yield await token.item();
    }
  } finally {
    token.dispose();
  }
}
