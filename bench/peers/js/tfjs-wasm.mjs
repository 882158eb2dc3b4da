// TensorFlow.js on its WebAssembly backend, which has threads in pages only. Its products of transposed matrices are ten times
// slower than those of others, its gathers have no gradient, and its one-hot floats are integers:
// they are composed here.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { turned } from "./tfjs/kit.mjs";
import { preparing } from "./tfjs.mjs";

export const library = "@tensorflow/tfjs-backend-wasm";

export async function open({ threads, flags }) {
  const main = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${dirname(main)}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js did not start its WebAssembly backend");
  await tf.ready();
  const note = threads > 1 ? "TensorFlow.js has one thread outside pages" : null;
  return preparing({ lists: flags.includes("lists"), kit: { matMul, gather, oneHot }, note });
}

/** Gradients of operands that were repeated over a batch are summed over it. */
const summedTo = (t, shape) => {
  const axes = shape.flatMap((size, i) => (size === 1 && t.shape[i] > 1 ? [i] : []));
  return axes.length > 0 ? tf.sum(t, axes, true) : t;
};

const product = tf.customGrad((a, b, save) => {
  save([a, b]);
  const gradFunc = (dy, [a, b]) =>
    [() => summedTo(tf.matMul(dy, turned(b)), a.shape), () => summedTo(tf.matMul(turned(a), dy), b.shape)].map(
      (gradient) => gradient(),
    );
  return { value: tf.matMul(a, b), gradFunc };
});

const matMul = (a, b, transposeA = false, transposeB = false) =>
  product(transposeA ? turned(a) : a, transposeB ? turned(b) : b);

const oneHot = (indices, depth) => tf.cast(tf.oneHot(indices, depth), "float32");

/** Rows of x, whose gradients are added up where a row is taken twice. */
function gather(x, indices) {
  return tf.customGrad((x) => {
    const gradFunc = (dy) => tf.scatterND(tf.expandDims(indices, -1), dy, x.shape);
    return { value: tf.gather(x, indices), gradFunc };
  })(x);
}
