import { describe, expect, test } from "vitest";
import { nn, noGrad, scope, type Tensor, tensor } from "../../engine/index.js";
import { countMedMoe, DomainRouter, toMixtures } from "../../models/index.js";
import { storedParts } from "../../models/med-moe/folder/names.js";
import { expectClose } from "../support/compare.js";
import { FAMILIES, medMoeNetworks, valuesOf } from "../support/med-moe-networks.js";

const { device, dense } = await medMoeNetworks();

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
      expect(await valuesOf(mixture.wg.weight)).toEqual(await valuesOf(router.fc1.weight));
      expect(await valuesOf(mixture.wg.bias as Tensor)).toEqual(await valuesOf(router.fc1.bias as Tensor));
      expect([...mixture.wg.parameters()].map((p) => p.requiresGrad)).toEqual([false, false]);
      // Each published tensor of each expert is that of the meta expert.
      const place = `model.layers.${i}.mlp.`;
      const meta = new Map<string, number[]>();
      for (const [path, p] of mixture.namedParameters())
        if (path.startsWith("shared.")) meta.set(path.slice("shared.".length), await valuesOf(p));
      let compared = 0;
      for (const [path, p] of mixture.namedParameters()) {
        if (!path.startsWith("experts.")) continue;
        const all = await valuesOf(p);
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
    const [y, before, p] = [await valuesOf(found.y), await valuesOf(found.before), await valuesOf(found.weights)];
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
