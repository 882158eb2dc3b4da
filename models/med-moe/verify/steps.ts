import { optim, type Tensor } from "../../../engine/index.js";
import type { Counts } from "../../golden/comparison.js";
import { isNoise, roundingNoise } from "../../golden/rounding-noise.js";
import { maximum } from "../../golden/sums.js";
import { lossOf, type ModelRun } from "./batch.js";
import { type Part, readPart } from "./parts.js";

/** Values after steps of AdamW, by the names of the golden file. */
type Stepped = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Steps of AdamW on what MoE tuning trains: losses, and weights after some of them.
 *
 * One weight whose gradient is rounding noise may step anywhere, and moves the gradients of all others from there on. How much
 * is measured: the steps are taken twice more with that noise turned to opposite sides, as far as it may reach. Values that differ
 * then by more than half of what they may be off by are left out; all others are asked for the whole tolerance.
 */
export async function adamwSteps(run: ModelRun, parts: ReadonlyMap<string, Part>): Promise<void> {
  const { c, manifest } = run;
  const { forward: tolerance } = manifest.tolerance;
  const trainable = new Map([...parts].filter(([, { p }]) => p.requiresGrad));
  const tensors = [...new Set([...trainable.values()].map(({ p }) => p))];
  const start = await Promise.all(tensors.map((p) => p.data()));
  let noise: number | null = null;

  /** All steps from the start; `turn` is the side to which noise is turned, null leaves it. */
  const take = async (turn: 1 | -1 | null) => {
    for (const [i, p] of tensors.entries()) p.write(start[i]);
    using weights = optimizer(run, trainable, false);
    using biases = optimizer(run, trainable, true);
    const losses: number[] = [];
    const after = new Map<string, ArrayLike<number>>();
    for (let step = 1; step <= manifest.optimizer.steps; step++) {
      run.network.zeroGrad();
      losses.push(await lossOf(run));
      noise ??= roundingNoise(maximum(await Promise.all(tensors.map(async (p) => maximum(await gradient(p).data())))));
      if (turn !== null) for (const p of tensors) await turnNoise(gradient(p), noise, turn);
      weights.step();
      biases.step();
      for (const [name, part] of trainable)
        if (c.has(`adamw${step}.${name}`)) after.set(`adamw${step}.${name}`, await readPart(part.p, part));
    }
    return { losses, after };
  };

  const { losses, after } = await take(null);
  const turned = [await take(1), await take(-1)] as const;
  for (const [name, values] of after) {
    const most = (tolerance * Math.max(1, maximum(c.values(name) ?? []))) / 2;
    c.forward(name, values, tolerance, decided(name, turned[0].after, turned[1].after, most));
  }
  for (const name of ["loss.per_step", "manifest.loss"]) c.forward(name, losses, tolerance);
}

/** Of biases, which do not decay, or of all others. */
function optimizer({ manifest, topK }: ModelRun, trainable: ReadonlyMap<string, Part>, biases: boolean): optim.AdamW {
  const { lr, betas, eps } = manifest.optimizer;
  const weightDecay = biases ? 0 : manifest.optimizer[`weight_decay_top${topK}`];
  const own = [...trainable].filter(([name]) => name.endsWith("bias") === biases);
  const once = new Map(own.map(([name, { p }]) => [p, name]));
  return new optim.AdamW(
    [...once].map(([p, name]): [string, Tensor] => [name, p]),
    { lr, betas, eps, weightDecay },
  );
}

const gradient = (p: Tensor) => p.grad as Tensor;

/** Where a gradient may be noise it becomes the largest that noise may be: every second one up, the others down, or the reverse. */
async function turnNoise(grad: Tensor, noise: number, side: 1 | -1): Promise<void> {
  const values = await grad.data();
  const turn = (value: number, i: number) => (isNoise(value, noise) ? (i % 2 === 0 ? side : -side) * noise : value);
  if (Array.from(values).some((value) => isNoise(value, noise))) grad.write(Float32Array.from(values, turn));
}

const decided = (name: string, up: Stepped, down: Stepped, most: number): Counts => {
  const [a, b] = [up.get(name) as ArrayLike<number>, down.get(name) as ArrayLike<number>];
  return (i) => Math.abs(a[i] - b[i]) <= most;
};
