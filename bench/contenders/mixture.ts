import {
  add,
  cast,
  type Device,
  type ExpertActivation,
  expertMlp,
  linear,
  mul,
  scope,
  silu,
  type Tensor,
  topKRouting,
} from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { biasOf } from "../shapes/routing.js";
import type { HostTensor, HostTensors, Prepared, Task } from "../task.js";
import { prepared, type Tensors, upload, uploadAll } from "./engine.js";
import { largestExperts } from "./rows-by-expert.js";

/** Of every storage type: a rounded logit would send a token elsewhere. */
const F32 = ["router", "routerBias"];

/**
 * Our own mixture of experts: a linear router in f32, normalised weights, and experts, with biases where the inputs have them. The
 * expert that is always on, where there are metaUp and metaDown, is an MLP of the same kind, added.
 */
export function prepareMixture(
  device: Device,
  { options, trained, pass }: Pick<Task, "options" | "trained" | "pass">,
  host: HostTensors,
  dtype: FloatDType = "f32",
): Prepared {
  const { topK, activation = "swiglu" } = options as { topK: number; activation?: ExpertActivation };
  const logits = ({ x, router, routerBias }: Tensors) => linear(cast(x, "f32"), router, routerBias);
  const forward = (tensors: Tensors) => {
    const { x, up, upBias, down, downBias } = tensors;
    const routed = topKRouting(logits(tensors), { topK, normalize: true });
    const y = expertMlp(x, routed, { up, upBias, down, downBias }, { activation });
    return tensors.metaUp ? add(y, meta(tensors)) : y;
  };
  const uploaded = (some: HostTensors) => uploadAll(device, some, dtype, F32);
  const layer = prepared(device, { host, trained, pass, forward, upload: () => uploaded(host) });
  return {
    ...layer,
    /** With the choice of each token, as [T, K]: for the forms of peers that are given their lists. */
    inputs: async () => {
      const { x, router, routerBias } = host;
      const found = await download(scope(() => logits(uploaded({ x, router, routerBias }))));
      return { ...host, chosen: largestExperts(found, topK) };
    },
  };
}

/** SwiGLU where there is a gate, GELU with biases otherwise. */
function meta({ x, metaGate, metaUp, metaUpBias, metaDown, metaDownBias }: Tensors): Tensor {
  const hidden = metaGate
    ? mul(silu(linear(x, metaGate)), linear(x, metaUp))
    : linear(x, metaUp, metaUpBias, { activation: "geluTanh" });
  return linear(hidden, metaDown, metaDownBias);
}

/**
 * The router's bias by which tokens like those of `x` spread over experts by their shares, k a token. By logits of our own, since
 * a host would take minutes for those of large layers.
 */
export async function routerBias(
  device: Device,
  { x, router }: { x: HostTensor; router: HostTensor },
  shares: readonly number[],
  k: number,
): Promise<HostTensor> {
  const logits = scope(() => linear(upload(device, x), upload(device, router)));
  return { shape: [shares.length], values: biasOf((await download(logits)).values as Float32Array, shares, k) };
}

async function download(t: Tensor): Promise<HostTensor> {
  const { shape } = t;
  const values = t.data();
  // The read is under way, and may fail.
  t.dispose();
  return { shape, values: (await values) as Float32Array };
}
