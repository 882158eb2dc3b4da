import { cast, type Device, expertMlp, linear, topKRouting } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import type { HostTensors, Prepared, Task } from "../task.js";
import { prepared, upload } from "./engine.js";

/** What the layer computes with; whatever else a task tells its peers is no input of ours. */
const INPUTS = ["x", "router", "routerBias", "up", "down", "dy"];

/** Of every storage type: a rounded logit would send a token elsewhere. */
const F32 = ["router", "routerBias"];

/** Our own mixture of experts: a linear router in f32, normalised weights, SwiGLU experts, as Mixtral's. */
export function prepareMixture(
  device: Device,
  { options, trained, pass }: Pick<Task, "options" | "trained" | "pass">,
  host: HostTensors,
  dtype: FloatDType = "f32",
): Prepared {
  const given = Object.entries(host).filter(([name]) => INPUTS.includes(name));
  const tensors = Object.fromEntries(
    given.map(([name, values]) => [name, upload(device, values, F32.includes(name) ? "f32" : dtype)]),
  );
  const { x, router, routerBias, up, down } = tensors;
  const forward = () => {
    const routed = topKRouting(linear(cast(x, "f32"), router, routerBias), {
      topK: options.topK as number,
      normalize: true,
    });
    return expertMlp(x, routed, { up, down }, { activation: "swiglu" });
  };
  return prepared(device, { host, tensors, trained, pass, forward });
}
