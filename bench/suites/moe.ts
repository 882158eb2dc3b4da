import { topKRouting } from "../../engine/index.js";
import { ALL_FLOATS } from "../../kernels/contract.js";
import { prepared, upload } from "../contenders/engine.js";
import { prepareMixture } from "../contenders/mixture.js";
import { normals } from "../inputs.js";
import { largestExperts } from "../rows-by-expert.js";
import type { HostTensor, HostTensors, Task } from "../task.js";
import { parseShapes, type ShapeForm } from "./shapes.js";

interface Layer {
  /** Tokens, width, hidden width, experts, experts of a token. */
  readonly T: number;
  readonly H: number;
  readonly F: number;
  readonly E: number;
  readonly K: number;
  /** Every token has the first K experts. */
  readonly skew: boolean;
  /** Only the choice of experts and the lists, from logits. */
  readonly routing: boolean;
}

const form: ShapeForm<Layer> = {
  suite: "moe",
  form: "TxHxFxExK, with :skew or :routing behind it (512x256x704x4x2)",
  pattern: /^(?<T>\d+)x(?<H>\d+)x(?<F>\d+)x(?<E>\d+)x(?<K>\d+)(:(?<kind>skew|routing))?$/,
  make: ({ T, H, F, E, K, kind }) => ({
    ...{ T: Number(T), H: Number(H), F: Number(F), E: Number(E), K: Number(K) },
    skew: kind === "skew",
    routing: kind === "routing",
  }),
};

/** Of the targets: a small layer and one of StableLM-2's size; its load on few experts; what routing takes. */
const SHAPES = [
  "512x256x704x4x2",
  "512x256x704x4x2:skew",
  "1024x256x704x4x1",
  "1024x256x704x4x1:skew",
  "256x2048x5632x4x2",
  "4096x256x704x4x2",
  "4096x256x704x4x2:routing",
].join(",");

/** A mixture with a linear router of normalised weights and SwiGLU experts, as Mixtral's. */
export function moeTasks(shapes = SHAPES): Task[] {
  return parseShapes(shapes, form).flatMap((layer) =>
    layer.routing ? [routingTask(layer)] : [layerTask(layer, "forward"), layerTask(layer, "forward+backward")],
  );
}

const text = ({ T, H, F, E, K }: Layer) => `${T}x${H}x${F}x${E}x${K}`;

function layerTask(layer: Layer, pass: "forward" | "forward+backward"): Task {
  const { T, H, F, E, K, skew } = layer;
  const backward = pass === "forward+backward";
  const products = 6 * T * K * H * F;
  const options = { topK: K };
  const trained = backward ? ["x", "router", "up", "down"] : [];
  return {
    suite: "moe",
    op: "mixtureOfExperts",
    pass,
    name: `${T} tokens, ${K} of ${E} experts of ${H} × ${F}${skew ? `, all on the first ${K}` : ""}`,
    shape: `${text(layer)}${skew ? ":skew" : ""}`,
    options,
    trained,
    flops: (backward ? 3 : 1) * products,
    // Every weight once, of the backward its gradient too; activations that must stay are small beside them.
    bytes: 4 * ((backward ? 3 : 1) * 3 * E * H * F + 2 * T * H),
    // Sums of up to 5,632 products through two layers.
    tolerance: 1e-5,
    dtypes: ALL_FLOATS,
    prepare: async (device, dtype) =>
      prepareMixture(device, { options, trained, pass }, hostInputs(layer, backward), dtype),
  };
}

/** With the choice of each token, as [T, K]: for the forms of peers that are given their lists. */
function hostInputs({ T, H, F, E, K, skew }: Layer, backward: boolean): HostTensors {
  const x = normals([T, H], 0);
  const router = normals([E, H], 1, 1 / Math.sqrt(H));
  const routerBias = { shape: [E], values: Float32Array.from({ length: E }, (_, e) => (skew && e < K ? 50 : 0)) };
  return {
    ...{ x, router, routerBias },
    up: normals([E, 2 * F, H], 2, 1 / Math.sqrt(H)),
    down: normals([E, H, F], 3, 1 / Math.sqrt(F)),
    chosen: largestExperts(logits(x, router, routerBias), K),
    ...(backward && { dy: normals([T, H], 4) }),
  };
}

function logits(x: HostTensor, router: HostTensor, bias: HostTensor): HostTensor {
  const [T, H] = x.shape;
  const [E] = router.shape;
  const values = new Float32Array(T * E);
  for (let t = 0; t < T; t++) {
    for (let e = 0; e < E; e++) {
      let sum = bias.values[e];
      for (let h = 0; h < H; h++) sum += x.values[t * H + h] * router.values[e * H + h];
      values[t * E + e] = sum;
    }
  }
  return { shape: [T, E], values };
}

function routingTask(layer: Layer): Task {
  const { T, E, K } = layer;
  return {
    suite: "moe",
    op: "topKRouting",
    pass: "forward",
    name: `routing of ${T} tokens to ${K} of ${E} experts`,
    shape: `${text(layer)}:routing`,
    options: { topK: K },
    trained: [],
    flops: null,
    bytes: 4 * (T * E + T * K * 4),
    tolerance: 1e-6,
    prepare: async (device) => {
      const host = { logits: normals([T, E], 0) };
      const logits = upload(device, host.logits);
      const forward = () => topKRouting(logits, { topK: K, normalize: true }).weights;
      return prepared(device, { host, tensors: { logits }, trained: [], pass: "forward", forward });
    },
  };
}
