import { walk } from "../../engine/autograd/tape.js";
import { type Device, expertMlp, linear, noGrad, scope, type Tensor, topKRouting } from "../../engine/index.js";
import { timed, upload } from "../contenders/engine.js";
import { normals } from "../inputs.js";
import type { HostTensors, Prepared, Task } from "../task.js";
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

const ROUTING = { normalize: true } as const;
const text = ({ T, H, F, E, K }: Layer) => `${T}x${H}x${F}x${E}x${K}`;

function layerTask(layer: Layer, pass: "forward" | "forward+backward"): Task {
  const { T, H, F, E, K, skew } = layer;
  const backward = pass === "forward+backward";
  const products = 6 * T * K * H * F;
  return {
    suite: "moe",
    op: "mixtureOfExperts",
    pass,
    name: `${T} tokens, ${K} of ${E} experts of ${H} × ${F}${skew ? `, all on the first ${K}` : ""}`,
    shape: `${text(layer)}${skew ? ":skew" : ""}`,
    options: { topK: K },
    trained: backward ? ["x", "router", "up", "down"] : [],
    flops: (backward ? 3 : 1) * products,
    // Every weight once, of the backward its gradient too; activations that must stay are small beside them.
    bytes: 4 * ((backward ? 3 : 1) * 3 * E * H * F + 2 * T * H),
    // Sums of up to 5,632 products through two layers.
    tolerance: 1e-5,
    prepare: async (device) => prepareLayer(device, layer, backward),
  };
}

function hostInputs({ T, H, F, E, K, skew }: Layer, backward: boolean): HostTensors {
  return {
    x: normals([T, H], 0),
    router: normals([E, H], 1, 1 / Math.sqrt(H)),
    routerBias: { shape: [E], values: Float32Array.from({ length: E }, (_, e) => (skew && e < K ? 50 : 0)) },
    up: normals([E, 2 * F, H], 2, 1 / Math.sqrt(H)),
    down: normals([E, H, F], 3, 1 / Math.sqrt(F)),
    ...(backward && { dy: normals([T, H], 4) }),
  };
}

function prepareLayer(device: Device, layer: Layer, backward: boolean): Prepared {
  const host = hostInputs(layer, backward);
  const tensors = Object.fromEntries(Object.entries(host).map(([name, values]) => [name, upload(device, values)]));
  const { x, router, routerBias, up, down, dy } = tensors;
  const trained = { x, router, up, down };
  if (backward) for (const t of Object.values(trained)) t.requiresGrad = true;

  const forward = () => {
    const routed = topKRouting(linear(x, router, routerBias), { topK: layer.K, ...ROUTING });
    return expertMlp(x, routed, { up, down }, { activation: "swiglu" });
  };
  const call = (): Record<string, Tensor> => {
    if (!backward) return { y: noGrad(forward) };
    const y = forward();
    const found: Record<string, Tensor> = { y };
    walk([y], [dy], (leaf, gradient) => {
      found[`d${Object.entries(trained).find(([, t]) => t === leaf)?.[0]}`] = gradient;
    });
    return found;
  };
  return prepared(device, host, tensors, call);
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
      const call = () => {
        const { weights } = noGrad(() => topKRouting(logits, { topK: K, ...ROUTING }));
        return { weights };
      };
      return prepared(device, host, { logits }, call);
    },
  };
}

function prepared(
  device: Device,
  host: HostTensors,
  tensors: Readonly<Record<string, Tensor>>,
  call: () => Record<string, Tensor>,
): Prepared {
  const enqueue = (calls: number) => {
    for (let i = 0; i < calls; i++) scope(() => void call());
  };
  return {
    contender: timed(device, enqueue, () => {
      for (const t of Object.values(tensors)) t.dispose();
    }),
    inputs: async () => host,
    results: async () => {
      const found = scope(call);
      const values = await Promise.all(
        Object.entries(found).map(async ([name, t]) => [name, (await t.data()) as Float32Array] as const),
      );
      for (const t of Object.values(found)) t.dispose();
      return Object.fromEntries(values);
    },
  };
}
