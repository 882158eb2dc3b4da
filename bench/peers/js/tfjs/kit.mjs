// What the twins of all ops are written with: operations that a backend may have others for, tensors, layouts.

import * as tf from "@tensorflow/tfjs";

const TF = {
  matMul: tf.matMul,
  gather: tf.gather,
  /** In floats. */
  oneHot: (indices, depth) => tf.oneHot(indices, depth, 1, 0, "float32"),
};
/** What a backend is bad at, it has others for. */
export let { matMul, gather, oneHot } = TF;

export function useKit(kit = TF) {
  ({ matMul, gather, oneHot } = kit);
}

/** The last two dimensions in turn. */
export function turned(t) {
  const order = t.shape.map((_, i) => i);
  order.push(...order.splice(-2).reverse());
  return tf.transpose(t, order);
}

/**
 * Layouts of weights by their names: as they come, [out, in]; and kept [in, out], as its own layers have them, where a product of
 * the one is slower than of the other.
 */
export function layouts(names) {
  const asTheyCome = { title: "", kept: [], transposed: true };
  if (tf.getBackend() === "webgpu") return [asTheyCome];
  return [asTheyCome, { title: "weights [in, out]", kept: names, transposed: false }];
}

export const titled = (...words) => words.filter((word) => word).join(", ") || undefined;

export const toTensor = ({ shape, values }) =>
  tf.tensor(values, shape, values instanceof Int32Array ? "int32" : "float32");
export const upload = (inputs) =>
  Object.fromEntries(Object.entries(inputs).map(([name, host]) => [name, toTensor(host)]));

/** From an idle device to an idle device. */
export async function repeat(calls, call) {
  for (let i = 0; i < calls; i++) await call();
  if (tf.getBackend() !== "webgpu") return;
  const backend = tf.backend();
  // What `data()` does before it waits; there is no public way.
  if (backend.commandEncoder) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
  await backend.queue.onSubmittedWorkDone();
}
