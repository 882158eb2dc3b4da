import type { MixtureLayer } from "../../kernels/published-shapes.js";
import { form, layerTask, sets } from "./layer.js";
import { GRADIENTS, type OwnShape, type Suite, TRAINED } from "./suite.js";

/** Of the targets: a small layer and one of StableLM-2's size, and the small one's load on few experts. */
function own(): OwnShape<MixtureLayer>[] {
  const of = (name: string, T: number) => sets[name](T).map((shape) => ({ shape, set: name }));
  const two = of("med-moe-stablelm-k2-mini", 512);
  // Without the expert that is always on: the form that other libraries have.
  const one = of("med-moe-stablelm-mini", 1024).map(({ shape }) => ({ shape: { ...shape, meta: false }, set: null }));
  const skewed = (rows: OwnShape<MixtureLayer>[]) => rows.map((row) => ({ ...row, routing: "one-hot" as const }));
  return [...two, ...skewed(two), ...one, ...skewed(one), ...of("med-moe-stablelm-k2", 256)];
}

/** The whole layer: router, choice, experts, sum. */
export const moe: Suite<MixtureLayer> = {
  suite: "moe",
  forms: [form],
  sets,
  own,
  passes: { own: () => TRAINED, possible: GRADIENTS },
  routed: true,
  task: (layer, request) => layerTask("moe", layer, request),
};
