import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  argmax,
  concat,
  type Device,
  nn,
  noGrad,
  openDevice,
  optim,
  reshape,
  scope,
  slice,
  type Tensor,
  tensor,
} from "../../engine/index.js";
import {
  countMedMoe,
  DomainRouter,
  KeyValueCache,
  loadMedMoe,
  type MedMoeConfig,
  MedMoeNetwork,
  type MedMoeStage,
  type MoeConfig,
  selectTrainable,
  toMixtures,
} from "../../models/index.js";
import { storedParts } from "../../models/med-moe/folder/names.js";
import { IMAGE_TOKEN as I } from "../../models/med-moe/input/image-tokens.js";
import { expectClose } from "../support/compare.js";

const fixtures = fileURLToPath(new URL("../fixtures/med-moe", import.meta.url));
let device: Device;
beforeAll(async () => {
  device = await openDevice("reference");
});
afterAll(() => device.close());

const FAMILIES = ["stablelm", "phi"] as const;
type Name = (typeof FAMILIES)[number];
const golden = async (model: Name) => (await loadMedMoe(`${fixtures}/${model}`, { device })).network;
const values = async (t: Tensor) => [...(await t.data())];

/** A fresh network of the golden sizes, all layers dense. */
async function dense(model: Name, seed = 7): Promise<{ network: MedMoeNetwork; moe: MoeConfig }> {
  using loaded = await golden(model);
  const { config, image_tower } = loaded;
  const moe = config.moe as MoeConfig;
  const network = new MedMoeNetwork(new nn.Initializer(device, seed), { ...config, moe: null }, image_tower.config);
  return { network: network.eval(), moe };
}

const pixels = (count: number) => {
  const size = count * 3 * 42 * 42;
  const data = Float32Array.from({ length: size }, (_, i) => Math.sin(0.01 * i));
  return tensor(data, { device, shape: [count, 3, 42, 42] });
};

describe.each(FAMILIES)("%s: dense layers become mixtures", (model) => {
  test("experts are copies, the meta expert is the MLP itself, every router is the one given and frozen", async () => {
    const { network, moe } = await dense(model);
    using _ = network;
    const mlps = network.model.layers.map(({ mlp }) => mlp);
    using router = new DomainRouter(new nn.Initializer(device, 3), network.config.decoder.width, 4);
    toMixtures(network, moe, router);
    expect(network.config.moe).toBe(moe);
    for (const [i, { mlp }] of network.model.layers.entries()) {
      if (!moe.layers.includes(i)) {
        expect(mlp).toBe(mlps[i]);
        continue;
      }
      const mixture = mlp as nn.MixtureOfExperts;
      expect(mixture.shared).toBe(mlps[i]);
      expect(await values(mixture.wg.weight)).toEqual(await values(router.fc1.weight));
      expect(await values(mixture.wg.bias as Tensor)).toEqual(await values(router.fc1.bias as Tensor));
      expect([...mixture.wg.parameters()].map((p) => p.requiresGrad)).toEqual([false, false]);
      // Each published tensor of each expert is that of the meta expert.
      const place = `model.layers.${i}.mlp.`;
      const meta = new Map<string, number[]>();
      for (const [path, p] of mixture.namedParameters())
        if (path.startsWith("shared.")) meta.set(path.slice("shared.".length), await values(p));
      let compared = 0;
      for (const [path, p] of mixture.namedParameters()) {
        if (!path.startsWith("experts.")) continue;
        const all = await values(p);
        const parts = storedParts(place + path, p.shape, network.config.family);
        for (const [j, { name }] of parts.entries()) {
          const size = all.length / parts.length;
          expect(all.slice(j * size, (j + 1) * size)).toEqual(
            meta.get(name.replace(/^.*deepspeed_experts\.\d+\./, "")),
          );
          compared++;
        }
      }
      expect(compared).toBe(4 * meta.size);
    }
  });

  test("the layer gives (p + 1) mlp(x) at first", async () => {
    const { network, moe } = await dense(model);
    using _ = network;
    const mlp = network.model.layers[0].mlp as nn.Module & { forward(x: Tensor): Tensor };
    using x = tensor(
      Float32Array.from({ length: 5 * network.config.decoder.width }, (_, i) => Math.cos(i)),
      {
        device,
        shape: [1, 5, network.config.decoder.width],
      },
    );
    using router = new DomainRouter(new nn.Initializer(device, 3), network.config.decoder.width, 4);
    toMixtures(network, moe, router);
    const found = noGrad(() =>
      scope(() => {
        const out = (network.model.layers[0].mlp as nn.MixtureOfExperts).forward(x);
        return { y: out.y, before: mlp.forward(x), weights: out.routed.weights };
      }),
    );
    const [y, before, p] = [await values(found.y), await values(found.before), await values(found.weights)];
    const width = network.config.decoder.width;
    expectClose(
      "y",
      y,
      before.map((value, i) => value * (1 + p[Math.floor(i / width)])),
      1e-5,
    );
    for (const t of Object.values(found)) t.dispose();
  });

  test("what the config says is what is counted", async () => {
    const { network, moe } = await dense(model);
    using _ = network;
    const size = () => [...network.parameters()].reduce((sum, p) => sum + p.size, 0);
    const count = () => countMedMoe(network.config, network.image_tower.config);
    expect(count().stored).toBe(size());
    const { activated } = count();
    const before = size();
    using router = new DomainRouter(new nn.Initializer(device), network.config.decoder.width, 4);
    toMixtures(network, moe, router);
    expect(count().stored).toBe(size());
    // Four experts were added to each of two layers, of which one is active.
    const gates = 2 * 4 * (network.config.decoder.width + 1);
    expect(count().activated - activated - gates).toBe((size() - before - gates) / 4);
  });

  test("twice, or with a router of another width, it is refused", async () => {
    const { network, moe } = await dense(model);
    using _ = network;
    using wide = new DomainRouter(new nn.Initializer(device), 8, 4);
    expect(() => toMixtures(network, moe, wide)).toThrow("The router is [4, 8]; the mixtures of this model need [4, ");
    using router = new DomainRouter(new nn.Initializer(device), network.config.decoder.width, 4);
    toMixtures(network, moe, router);
    expect(() => toMixtures(network, moe, router)).toThrow("The model has mixtures already");
  });
});

describe.each(FAMILIES)("%s: what a stage trains", (model) => {
  const trained = async (stage: MedMoeStage, paper = false) => {
    const network = await golden(model);
    using _ = network;
    selectTrainable(network, stage, { paper });
    const parts = (on: boolean) =>
      [...network.namedParameters()].flatMap(([path, p]) =>
        p.requiresGrad === on ? storedParts(path, p.shape, network.config.family).map(({ name }) => name) : [],
      );
    return { on: parts(true), off: parts(false), config: network.config };
  };
  /** Published names, as the published code chooses among them. */
  const expected = ({ on, off }: { on: string[]; off: string[] }, rule: (name: string) => boolean) => {
    expect(on.filter((name) => !rule(name))).toEqual([]);
    expect(off.filter(rule)).toEqual([]);
  };

  test("align: the projector", async () => expected(await trained("align"), (name) => name.includes("mm_projector")));

  test("instruct: all but the tower", async () =>
    expected(await trained("instruct"), (name) => !name.includes("image_tower")));

  test("router: nothing of the network", async () => expect((await trained("router")).on).toEqual([]));

  test("moe: the MLPs of all layers and the projector, not the router", async () => {
    const found = await trained("moe");
    const modules = (found.config as MedMoeConfig).moe?.trainModules as string[];
    expected(
      found,
      (name) =>
        name.includes("mm_projector") ||
        (modules.some((m) => name.includes(m)) && !name.includes(".wg.") && !name.includes("image_tower")),
    );
    expect(found.on.some((name) => name.startsWith("model.layers.1.mlp."))).toBe(true);
  });

  test("moe by the paper's words: experts and meta experts", async () =>
    expected(await trained("moe", true), (name) => /deepspeed_experts|meta_moe/.test(name)));
});

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
    expectClose("logits", parts, await values(whole), 2e-5);
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
        const all = await values(logits);
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
      const all = await values(out.logits);
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

test("Phi's dropout acts in training alone", async () => {
  const { network } = await dense("phi");
  using _ = network;
  const layer = network.model.layers[1] as unknown as { dropout: number };
  Object.assign(layer, { dropout: 0.5 });
  const run = () => noGrad(() => scope(() => network.forward([{ ids: [4, 5, 6] }], null)));
  using first = run();
  using second = run();
  expect(await values(first)).toEqual(await values(second));
  network.train();
  using third = run();
  expect(await values(third)).not.toEqual(await values(first));
});

test("a loss needs labels; where none counts it is 0", async () => {
  const network = await golden("stablelm");
  using _ = network;
  expect(() => network.loss([{ ids: [4, 5] }], null)).toThrow("a loss needs labels; no sample has any");
  const { loss, ce, aux } = noGrad(() => scope(() => network.loss([{ ids: [4, 5], labels: [-100, -100] }], null)));
  expect(await loss.item()).toBe(0);
  expect(await (aux as Tensor).item()).toBeGreaterThan(1);
  for (const t of new Set([loss, ce, aux])) t?.dispose();
});

test("stages of a small model learn: the loss of one batch falls in each", async () => {
  const { network, moe } = await dense("stablelm", 1);
  using _ = network;
  const samples = [{ ids: [5, I, 9, 40, 11], labels: [-100, -100, -100, 40, 11] }];
  const step = (optimizer: optim.AdamW) => {
    network.zeroGrad();
    const loss = scope(() => {
      const { loss } = network.loss(samples, pixels(1));
      loss.backward();
      return loss;
    });
    optimizer.step();
    return loss;
  };
  for (const stage of ["align", "instruct", "moe"] as const) {
    if (stage === "moe") {
      using router = new DomainRouter(new nn.Initializer(device, 2), 32, 4);
      toMixtures(network, moe, router);
    }
    selectTrainable(network, stage);
    using optimizer = new optim.AdamW(
      [...network.namedParameters()].filter(([, p]) => p.requiresGrad),
      { lr: 1e-2 },
    );
    const losses: number[] = [];
    for (let i = 0; i < 6; i++) {
      using loss = step(optimizer);
      losses.push(await loss.item());
    }
    expect(losses[5], stage).toBeLessThan(losses[0]);
  }
  network.zeroGrad();
});
