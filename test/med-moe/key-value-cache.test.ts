import { describe, expect, test } from "vitest";
import { argmax, concat, noGrad, reshape, scope, slice, type Tensor, tensor } from "../../engine/index.js";
import { KeyValueCache, type MedMoeNetwork } from "../../models/index.js";
import { IMAGE_TOKEN as I } from "../../models/med-moe/input/image-tokens.js";
import { expectClose } from "../support/compare.js";
import { FAMILIES, medMoeNetworks, valuesOf } from "../support/med-moe-networks.js";

const { device, golden, pixels } = await medMoeNetworks();

describe.each(FAMILIES)("%s: with keys and values kept", (model) => {
  const next = (network: MedMoeNetwork, states: Tensor) =>
    network.logits(slice(states, { dim: 1, start: states.shape[1] - 1, length: 1 }));

  test("token by token as all at once", async () => {
    const network = await golden(model);
    using _ = network;
    const ids = [5, I, 9, 40, 11];
    const whole = noGrad(() =>
      scope(() => {
        const { embeds } = network.splice([{ ids }], pixels(1));
        return network.logits(network.states(embeds).states);
      }),
    );
    using cache = new KeyValueCache(network.config.decoder, { device, batch: 1, capacity: 20 });
    const parts: number[] = [];
    const { embeds } = noGrad(() => scope(() => network.splice([{ ids }], pixels(1))));
    for (const [start, length] of [
      [0, 6],
      [6, 1],
      [7, 4],
      [11, 2],
    ]) {
      using logits = noGrad(() =>
        scope(() => network.logits(network.states(slice(embeds, { dim: 1, start, length }), { cache }).states)),
      );
      parts.push(...(await logits.data()));
    }
    expect(cache.length).toBe(13);
    expectClose("logits", parts, await valuesOf(whole), 2e-5);
    whole.dispose();
    embeds.dispose();
  });

  test("a batch of texts of different lengths as each by itself", async () => {
    const network = await golden(model);
    using _ = network;
    const samples = [{ ids: [7, 8, 9] }, { ids: [5, I, 9, 40] }, { ids: [30] }];
    const images = [0, 1, 0];
    const alone: number[][] = [];
    for (const [b, sample] of samples.entries()) {
      let ids = [...sample.ids];
      const row: number[] = [];
      for (let step = 0; step < 3; step++) {
        using logits = noGrad(() =>
          scope(() => {
            const { embeds } = network.splice([{ ids }], images[b] ? pixels(1) : null);
            return next(network, network.states(embeds).states);
          }),
        );
        const all = await valuesOf(logits);
        row.push(...all);
        ids = [...ids, all.indexOf(Math.max(...all))];
      }
      alone.push(row);
    }

    const spliced = noGrad(() =>
      scope(() => {
        const image = pixels(1);
        return network.splice(samples, concat([image, image, image], 0));
      }),
    );
    const { lengths, embeds } = spliced;
    const [B, T] = embeds.shape;
    const capacity = T + 3;
    using cache = new KeyValueCache(network.config.decoder, { device, batch: B, capacity });
    // Places of padding stay hidden; those of new tokens are seen by all.
    const seen = Int32Array.from({ length: B * capacity }, (_, i) => {
      const [b, at] = [Math.floor(i / capacity), i % capacity];
      return at < lengths[b] || at >= T ? 1 : 0;
    });
    using mask = tensor(seen, { device, shape: [B, capacity] });
    const together: number[][] = lengths.map(() => []);
    let input = embeds;
    for (let step = 0; step < 3; step++) {
      const out = noGrad(() =>
        scope(() => {
          const positions =
            step === 0
              ? null
              : tensor(
                  Int32Array.from(lengths, (n) => n + step - 1),
                  { device, shape: [B, 1] },
                );
          const { states } = network.states(input, { cache, mask, positions });
          const last = lengths.map((n, b) =>
            slice(slice(states, { dim: 0, start: b, length: 1 }), {
              dim: 1,
              start: step === 0 ? n - 1 : 0,
              length: 1,
            }),
          );
          const logits = network.logits(concat(last, 0));
          const ids = reshape(argmax(logits), [B, 1]);
          return { logits, embeds: network.model.embed_tokens.forward(ids) };
        }),
      );
      const all = await valuesOf(out.logits);
      const V = all.length / B;
      for (let b = 0; b < B; b++) together[b].push(...all.slice(b * V, (b + 1) * V));
      out.logits.dispose();
      input.dispose();
      input = out.embeds;
    }
    input.dispose();
    spliced.mask?.dispose();
    for (let b = 0; b < B; b++) expectClose(`sample ${b}`, together[b], alone[b], 2e-5);
  });
});

test("a cache that is too small, or for another batch, is refused before anything is written", async () => {
  const network = await golden("phi");
  using _ = network;
  const { decoder } = network.config;
  using cache = new KeyValueCache(decoder, { device, batch: 1, capacity: 4 });
  const run = (ids: number[][]) =>
    noGrad(() =>
      scope(() => {
        const { embeds } = network.splice(
          ids.map((row) => ({ ids: row })),
          null,
        );
        return network.states(embeds, { cache }).states;
      }),
    );
  expect(() => run([[1, 2, 3, 4, 5]])).toThrow("5 tokens after 0 are more than its capacity of 4");
  expect(() => run([[1], [2]])).toThrow("it is for 1 sequences, 2 were given");
  expect(() => new KeyValueCache(decoder, { device, batch: 1, capacity: 257 })).toThrow(
    "capacity is 257; the model has 256 positions",
  );
  run([[1, 2, 3]]).dispose();
  cache.truncate(1);
  expect(cache.length).toBe(1);
  expect(() => cache.truncate(2)).toThrow("2 of 1 tokens cannot be kept");
});
