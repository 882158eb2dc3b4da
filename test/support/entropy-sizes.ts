import * as entropy from "../../kernels/cross-entropy/kernels.js";
import { room, values } from "./pass-cases.js";

/** Sizes of a cross entropy, its inputs, room for its outputs, and what the backward pass needs of them. */
export function entropyOf(V: number, target: readonly number[], smoothing: number) {
  const T = target.length;
  const sizes = { T, V, ignoreIndex: -100 >>> 0, smoothing };
  const inputs = { logits: values(T * V, `logits ${V}`, 3), target: Int32Array.from(target) };
  const outputs = () => ({ loss: room(T), maximum: room(T), logSum: room(T), faults: new Uint32Array(4) });
  const made = outputs();
  entropy.forward.reference({ ...inputs, ...made }, { ...sizes, faultLabel: 1 });
  return { sizes, inputs, outputs, saved: { maximum: made.maximum, logSum: made.logSum } };
}
