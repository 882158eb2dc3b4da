import { expect, test } from "vitest";
import type { Device, Shape, Tensor } from "../../engine/index.js";
import { nn, openDevice } from "../../engine/index.js";
import { adapt, published } from "../../models/miss/adaptation.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { countParameters } from "../../models/peft/trainable.js";

/** Counts what a model would hold, and makes one number of each parameter. */
class Counter extends nn.Initializer {
  readonly sizes = new Map<Tensor, number>();

  override parameter(shape: Shape, init: nn.Init): Tensor {
    const one = super.parameter([1], init);
    this.sizes.set(
      one,
      shape.reduce((a, b) => a * b, 1),
    );
    return one;
  }
}

async function count(config: MissConfig, parts: (network: MissNetwork) => nn.Module): Promise<number> {
  using device: Device = await openDevice("reference");
  const counter = new Counter(device);
  const network = new MissNetwork(counter, config);
  let total = 0;
  for (const p of parts(network).parameters()) total += counter.sizes.get(p) ?? 0;
  return total;
}

test("the published model at 480 pixels", async () => {
  expect(await count(presets.base, (n) => n.visual_encoder)).toBe(86_339_328);
  expect(await count(presets.base, (n) => n.text_encoder)).toBe(137_258_496);
  expect(await count(presets.base, (n) => n.text_decoder)).toBe(137_881_148);
  expect(await count(presets.base, (n) => n)).toBe(361_478_972);
});

test("LoRA of rank 8 on a BERT part of 12 layers of width 768 adds what PEFT adds", async () => {
  // 48 linear layers of 8 (in + out): checked on a narrow model with the same formula.
  using device = await openDevice("reference");
  const init = new nn.Initializer(device);
  const network = new MissNetwork(init, { ...presets.tiny, vocab: 40 });
  const before = countParameters(network).total;
  adapt(network, init, { ...published, vit: "F", jtm: "F", dec: "lora" });
  const { trainable, total } = countParameters(network);
  const { hidden, layers } = presets.tiny;
  expect(trainable).toBe(layers * 4 * 8 * (hidden + hidden));
  expect(total).toBe(before + trainable);
});
