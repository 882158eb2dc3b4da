import { optim, type Tensor } from "../../../engine/index.js";
import { isNoise, roundingNoise } from "../../golden/rounding-noise.js";
import { maximum } from "../../golden/sums.js";
import { lossOf, type ModelRun } from "./batch.js";
import { type Part, readPart } from "./parts.js";

/**
 * Steps of AdamW on what MoE tuning trains: losses, and weights after some of them.
 *
 * A weight whose gradient is rounding noise may step anywhere, and moves the gradients of all others from there on. How much is
 * measured: the steps are taken twice more with that noise turned to opposite sides, as far as it may reach. Values that differ
 * then by more than half of what they may be off by are left out; all others are asked for the whole tolerance.
 */
export async function adamwSteps(run: ModelRun, parts: ReadonlyMap<string, Part>): Promise<void> {
  const { c, manifest } = run;
  const { forward: tolerance } = manifest.tolerance;
  const trainable = new Map([...parts].filter(([, { p }]) => p.requiresGrad));
  const tensors = [...new Set([...trainable.values()].map(({ p }) => p))];
  const start = await Promise.all(tensors.map((p) => p.data()));
  let first: ArrayLike<number>[] = [];
  const { losses, after } = await stepped(run, trainable, async () => {
    first = await Promise.all(tensors.map((p) => gradient(p).data()));
  });
  const noise = roundingNoise(maximum(first.map(maximum)));
  const noisy = first.some((values) => Array.from(values).some((g) => isNoise(g, noise)));

  const turned = (side: 1 | -1) => {
    for (const [i, p] of tensors.entries()) p.write(start[i]);
    return stepped(run, trainable, async () => {
      for (const [i, p] of tensors.entries()) gradient(p).write(turnNoise(first[i], noise, side));
    });
  };
  const sides = noisy ? [await turned(1), await turned(-1)] : [];
  for (const [name, values] of after) {
    const most = (tolerance * Math.max(1, maximum(c.values(name) ?? []))) / 2;
    const [up, down] = sides.map((side) => side.after.get(name) as ArrayLike<number>);
    c.forward(name, values, tolerance, (i) => !noisy || Math.abs(up[i] - down[i]) <= most);
  }
  for (const name of ["loss.per_step", "manifest.loss"]) c.forward(name, losses, tolerance);
}

interface Stepped {
  readonly losses: readonly number[];
  /** By the names of the golden file. */
  readonly after: ReadonlyMap<string, ArrayLike<number>>;
}

/** All steps from where the weights are; `onFirst` is called when the first gradients are there. */
async function stepped(
  run: ModelRun,
  trainable: ReadonlyMap<string, Part>,
  onFirst: () => Promise<void>,
): Promise<Stepped> {
  using weights = optimizer(run, trainable, false);
  using biases = optimizer(run, trainable, true);
  const losses: number[] = [];
  const after = new Map<string, ArrayLike<number>>();
  for (let step = 1; step <= run.manifest.optimizer.steps; step++) {
    run.network.zeroGrad();
    losses.push(await lossOf(run));
    if (step === 1) await onFirst();
    weights.step();
    biases.step();
    for (const [name, part] of trainable) {
      const golden = `adamw${step}.${name}`;
      if (run.c.has(golden)) after.set(golden, await readPart(part.p, part));
    }
  }
  return { losses, after };
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
const turnNoise = (values: ArrayLike<number>, noise: number, side: 1 | -1) =>
  Float32Array.from(values, (g, i) => (isNoise(g, noise) ? (i % 2 === 0 ? side : -side) * noise : g));
