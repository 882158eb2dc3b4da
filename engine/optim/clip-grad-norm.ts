import { BLOCK, join, partial } from "../../kernels/grad-norm/kernels.js";
import { run } from "../dispatch/run.js";
import { OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";

/**
 * The Euclidean norm of all gradients together, and the factor that brings it down to `maxNorm`: a tensor [norm, factor]
 * on the device, to be handed to `optimizer.step(clip)`, which applies the factor while it reads the gradients.
 */
export function clipGradNorm(parameters: Iterable<Tensor>, maxNorm: number): Tensor {
  const gradients = [...parameters].flatMap((p) => (p.grad ? [p.grad] : []));
  if (gradients.length === 0)
    throw new OptionError("clipGradNorm: no parameter has a gradient. Call backward() first.");
  if (!(maxNorm > 0)) throw new OptionError(`clipGradNorm: maxNorm ${maxNorm} is not above 0.`);
  const { device } = gradients[0];
  const counts = gradients.map((g) => Math.ceil(g.size / BLOCK));
  const count = counts.reduce((a, b) => a + b, 0);
  let partials: Tensor | null = null;
  let offset = 0;
  gradients.forEach((x, i) => {
    partials = run(device, partial, { x, partials: partials ?? [count] }, { n: x.size, offset, count }).partials;
    offset += counts[i];
  });
  const found = run(device, join, { partials: partials as unknown as Tensor, clip: [2] }, { count, maxNorm }).clip;
  (partials as unknown as Tensor).dispose();
  return found;
}
