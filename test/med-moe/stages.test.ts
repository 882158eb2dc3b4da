import { describe, expect, test } from "vitest";
import { nn, optim, scope } from "../../engine/index.js";
import { DomainRouter, type MedMoeConfig, type MedMoeStage, selectTrainable, toMixtures } from "../../models/index.js";
import { storedParts } from "../../models/med-moe/folder/names.js";
import { IMAGE_TOKEN as I } from "../../models/med-moe/input/image-tokens.js";
import { FAMILIES, medMoeNetworks } from "../support/med-moe-networks.js";

const { device, golden, dense, pixels } = await medMoeNetworks();

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
