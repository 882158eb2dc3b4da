import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  attention,
  type Device,
  nn,
  openDevice,
  reshape,
  rotary,
  scope,
  slice,
  type Tensor,
  tensor,
  writeRows,
  zeros,
} from "../../../engine/index.js";
import {
  type Cache,
  generate,
  type LanguageModel,
  type Step,
  streamText,
  type TokenText,
  tokens,
} from "../../../models/generation/index.js";

const [VOCABULARY, WIDTH, HEADS, POSITIONS] = [40, 32, 2, 24];

class OneLayerCache implements Cache {
  length = 0;
  readonly keys: Tensor;
  readonly values: Tensor;
  constructor(keys: Tensor, values: Tensor) {
    this.keys = keys;
    this.values = values;
  }
  dispose(): void {
    this.keys.dispose();
    this.values.dispose();
  }
}

/** An embedding, one attention, a head: enough that each token depends on all before it, and on their places. */
class Tiny extends nn.Module implements LanguageModel<OneLayerCache> {
  readonly positions = POSITIONS;
  embedding: nn.Embedding;
  qkv: nn.Linear;
  head: nn.Linear;
  caches = 0;

  constructor(init: nn.Initializer) {
    super();
    this.embedding = new nn.Embedding(init, VOCABULARY, WIDTH);
    this.qkv = new nn.Linear(init, WIDTH, 3 * WIDTH, { weightInit: nn.normal(0.3) });
    this.head = new nn.Linear(init, WIDTH, VOCABULARY, { weightInit: nn.normal(0.5) });
  }

  get device(): Device {
    return this.head.weight.device;
  }

  embed(ids: Tensor): Tensor {
    return this.embedding.forward(ids);
  }

  newCache({ batch, capacity }: { batch: number; capacity: number }): OneLayerCache {
    this.caches++;
    const make = () => zeros([batch, capacity, HEADS, WIDTH / HEADS], { device: this.device });
    return new OneLayerCache(make(), make());
  }

  next(embeds: Tensor, { mask, positions, cache }: Step<OneLayerCache>): Tensor {
    const [B, L] = embeds.shape;
    const qkv = reshape(this.qkv.forward(embeds), [B, L, 3 * HEADS, WIDTH / HEADS]);
    const part = (i: number) => slice(qkv, { dim: 2, start: i * HEADS, length: HEADS });
    const turn = (t: Tensor) => rotary(t, { positions, start: cache.length });
    writeRows(cache.keys, turn(part(1)), { dim: 1, position: cache.length });
    writeRows(cache.values, part(2), { dim: 1, position: cache.length });
    const y = attention(turn(part(0)), cache.keys, cache.values, { causal: true, mask, keys: cache.length + L });
    cache.length += L;
    return this.head.forward(
      reshape(slice(reshape(y, [B, L, WIDTH]), { dim: 1, start: L - 1, length: 1 }), [B, WIDTH]),
    );
  }
}

const letters: TokenText = {
  bos: null,
  encode: (text) => [...text].map((c) => c.charCodeAt(0) - 65),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id + 65)),
};

let device: Device;
let model: Tiny;
beforeAll(async () => {
  device = await openDevice("cpu");
  model = new Tiny(new nn.Initializer(device, 7));
});
afterAll(() => device.close());

const prompts = [[1, 2, 3], [30, 4, 17, 22, 9, 9, 0], [5]];

describe("generate", () => {
  test("greedy goes on with the likeliest token, as the whole sequence computed anew says", async () => {
    const [{ ids, finish }] = await generate(model, [prompts[0]], { maxNewTokens: 6 });
    expect(finish).toBe("length");
    const all = [...prompts[0]];
    for (const id of ids) {
      const [{ ids: anew }] = await generate(model, [all], { maxNewTokens: 1 });
      expect(anew).toEqual([id]);
      all.push(id);
    }
    expect(new Set(ids).size).toBeGreaterThan(1);
  });

  test("goes on from a cache that the caller owns, as the whole prompt would", async () => {
    const [whole] = await generate(model, [prompts[1]], { maxNewTokens: 5 });
    const cache = model.newCache({ batch: 1, capacity: prompts[1].length + 4 });
    const before = model.caches;
    const said = async (prompt: number[], maxNewTokens: number) => {
      const ids: number[] = [];
      for await (const { id } of tokens(model, [prompt], { maxNewTokens, cache })) ids.push(id);
      return ids;
    };
    await said(prompts[1].slice(0, 3), 1);
    expect(cache.length).toBe(3);
    expect(await said(prompts[1].slice(3), 5)).toEqual(whole.ids);
    // All but the last token is in it.
    expect([cache.length, model.caches]).toEqual([prompts[1].length + 4, before]);
    await expect(said(new Array(POSITIONS).fill(1), 1)).rejects.toThrow("which leaves none for an answer");
    await expect(tokens(model, [[1], [1, 2]], { cache }).next()).rejects.toThrow(
      "prompts that go on from a cache have one length",
    );
    cache.dispose();
  });

  test("a batch of prompts of other lengths says what each says alone", async () => {
    for (const options of [{}, { temperature: 1, seed: 3 }, { temperature: 2, topK: 5, topP: 0.8, seed: 4 }]) {
      const together = await generate(model, prompts, { ...options, maxNewTokens: 8 });
      const [first] = await generate(model, [prompts[0]], { ...options, maxNewTokens: 8 });
      expect(together[0]).toEqual(first);
      if (!("seed" in options))
        for (const [i, prompt] of prompts.entries())
          expect(together[i], `prompt ${i}`).toEqual((await generate(model, [prompt], { maxNewTokens: 8 }))[0]);
    }
  });

  test("seeds decide: the same one repeats, others differ; sequences of a batch differ", async () => {
    const run = (seed: number) =>
      generate(model, [prompts[0], prompts[0]], { temperature: 1.5, seed, maxNewTokens: 8 });
    const [a, b, c] = [await run(1), await run(1), await run(2)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(a[0].ids).not.toEqual(a[1].ids);
  });

  test("embeddings are prompts, too", async () => {
    const ids = Int32Array.from(prompts[1]);
    const embeds = scope(() =>
      reshape(model.embed(tensor(ids, { device, shape: [1, ids.length] })), [ids.length, WIDTH]),
    );
    const byIds = await generate(model, [prompts[1]], { maxNewTokens: 5 });
    expect(await generate(model, [embeds], { maxNewTokens: 5 })).toEqual(byIds);
    embeds.dispose();
  });

  test("a stop id ends its sequence, the others go on; it belongs to the text", async () => {
    const free = await generate(model, prompts, { maxNewTokens: 8 });
    const stop = free[0].ids[2];
    const ended = await generate(model, prompts, { maxNewTokens: 8, stopIds: [stop] });
    expect(ended[0]).toEqual({ ids: free[0].ids.slice(0, free[0].ids.indexOf(stop) + 1), finish: "eos" });
    for (const [i, { ids }] of ended.entries()) expect(free[i].ids.slice(0, ids.length)).toEqual(ids);
  });

  test("the model's positions end a text", async () => {
    const [{ ids, finish }] = await generate(model, [prompts[1]], { maxNewTokens: 100 });
    expect(ids.length).toBe(POSITIONS - prompts[1].length);
    expect(finish).toBe("length");
  });

  test("text streams, up to its stop string", async () => {
    const [{ ids }] = await generate(model, [prompts[0]], { maxNewTokens: 12 });
    const text = letters.decode(ids);
    const collect = async (options: object) => {
      let out = "";
      for await (const piece of streamText(model, prompts[0], { tokenizer: letters, maxNewTokens: 12, ...options }))
        out += piece;
      return out;
    };
    expect(await collect({})).toBe(text);
    const stop = text.slice(3, 5);
    expect(await collect({ stop: [stop] })).toBe(text.slice(0, text.indexOf(stop)));
  });

  test("nothing stays behind: at the end, when the reader leaves, when it is aborted", async () => {
    const live = device.memory().allocations;
    await generate(model, prompts, { maxNewTokens: 3 });
    for await (const _ of tokens(model, prompts, { maxNewTokens: 5 })) break;
    const controller = new AbortController();
    const reading = (async () => {
      for await (const { sequence } of tokens(model, prompts, { maxNewTokens: 9, signal: controller.signal }))
        if (sequence === 1) controller.abort(new Error("enough"));
    })();
    await expect(reading).rejects.toThrow("enough");
    expect(device.memory().allocations).toBe(live);
  });
});

describe("bad input, before any work", () => {
  test("says what is wrong", async () => {
    const before = model.caches;
    const long = new Array(POSITIONS).fill(1);
    await expect(generate(model, [prompts[0], long])).rejects.toThrow(
      "generate: prompt 1 has 24 positions of the model's 24, which leaves none for an answer. Shorten it.",
    );
    await expect(generate(model, [[]])).rejects.toThrow("generate: prompt 0 is empty. Begin with one token at least.");
    await expect(generate(model, prompts, { maxNewTokens: 1.5 })).rejects.toThrow("`maxNewTokens` is 1.5");
    await expect(generate(model, prompts, { topP: 2 })).rejects.toThrow("`topP` is 2");
    await expect(generate(model, prompts, { stop: ["x"] })).rejects.toThrow("stop strings need a tokenizer");
    await expect(generate(model, prompts, { signal: AbortSignal.abort(new Error("never mind")) })).rejects.toThrow(
      "never mind",
    );
    expect(model.caches).toBe(before);
  });

  test("NaN logits are an error that says so, greedy or not", async () => {
    using broken = new Tiny(new nn.Initializer(device, 7));
    broken.head.bias?.write(new Float32Array(VOCABULARY).fill(Number.NaN));
    for (const options of [{}, { temperature: 1 }, { temperature: 1, topK: 3 }])
      await expect(generate(broken, prompts, options)).rejects.toThrow(
        "generate: logits of sequence 0 are NaN. The weights are damaged, or activations left the range of their type: try f32.",
      );
  });
});
