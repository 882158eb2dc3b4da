import { expect, test } from "vitest";
import { noGrad, scope, type Tensor } from "../../engine/index.js";
import { medMoeNetworks, valuesOf } from "../support/med-moe-networks.js";

const { golden, dense } = await medMoeNetworks();

test("Phi's dropout acts in training alone", async () => {
  const { network } = await dense("phi");
  using _ = network;
  const layer = network.model.layers[1] as unknown as { dropout: number };
  Object.assign(layer, { dropout: 0.5 });
  const run = () => noGrad(() => scope(() => network.forward([{ ids: [4, 5, 6] }], null)));
  using first = run();
  using second = run();
  expect(await valuesOf(first)).toEqual(await valuesOf(second));
  network.train();
  using third = run();
  expect(await valuesOf(third)).not.toEqual(await valuesOf(first));
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
