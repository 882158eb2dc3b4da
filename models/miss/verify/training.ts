import { type Device, optim, scope } from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";
import { isNoise, roundingNoise } from "../../golden/rounding-noise.js";
import { maximum, sumOf } from "../../golden/sums.js";
import { trainedParameters } from "../../peft/trainable.js";
import { peftName, type Root } from "../adaptation.js";
import type { MissNetwork } from "../network.js";
import type { GoldenInputs } from "./inputs.js";
import type { Manifest } from "./manifest.js";

/** Gradients of the loss and their norms, the parameters after one AdamW step, the losses of the steps that follow. */
export async function training(
  device: Device,
  network: MissNetwork,
  inputs: GoldenInputs,
  manifest: Manifest,
  wrapped: ReadonlySet<Root>,
  c: Comparison,
  relative: number,
  step1: number,
): Promise<void> {
  const { lr, betas, eps, weight_decay: weightDecay } = manifest.adamw;
  const named = trainedParameters(network);
  const first = await lossOfStep(device, network, inputs);
  const norms = named.map(([path]) => c.values(`manifest.grad_norm.${peftName(path, wrapped)}`)?.[0] ?? 0);
  const largestNorm = maximum(norms);
  const gradients = new Map<string, ArrayLike<number>>();
  for (const [i, [path, p]] of named.entries()) {
    const name = peftName(path, wrapped);
    const values = p.grad ? await p.grad.data() : new Float32Array(p.size);
    gradients.set(name, values);
    c.gradient(`grad.${name}`, values, relative);
    // Key biases have no gradient but rounding noise: there the scale is that of the other norms.
    const scale = norms[i] > 1e-9 ? norms[i] : largestNorm;
    const norm = Math.sqrt(sumOf(Array.from(values, (v) => v * v)));
    c.scaled(`manifest.grad_norm.${name}`, [norm], relative, scale);
  }
  const noise = roundingNoise(maximum([...gradients.values()].map(maximum)));
  using optimizer = new optim.AdamW(named, { lr, betas, eps, weightDecay });
  optimizer.step();
  for (const [path, p] of named) {
    const name = peftName(path, wrapped);
    if (!c.has(`step1.${name}`)) continue;
    // The first step is about lr · sign(g): where g is rounding noise its sign is, too.
    const own = gradients.get(name) as ArrayLike<number>;
    const golden = c.values(`grad.${name}`) ?? own;
    const decided = (i: number) => !isNoise(Math.max(Math.abs(own[i]), Math.abs(golden[i])), noise);
    c.absolute(`step1.${name}`, await p.data(), step1, decided);
  }
  const golden = c.values("manifest.losses_over_5_steps");
  if (!golden) return;
  const losses = [first];
  while (losses.length < golden.length) {
    optimizer.zeroGrad();
    losses.push(await lossOfStep(device, network, inputs));
    optimizer.step();
  }
  // What the gradients may be off by goes into the weights of the next step.
  c.gradient("manifest.losses_over_5_steps", losses, relative);
}

/** The loss; its gradients are left in the parameters. */
async function lossOfStep(device: Device, network: MissNetwork, inputs: GoldenInputs): Promise<number> {
  using loss = scope(() => {
    const loss = network.loss(inputs.batch(device));
    loss.backward();
    return loss;
  });
  return loss.item();
}
