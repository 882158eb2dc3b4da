import * as tf from "@tensorflow/tfjs";
import { matMul, upload } from "./kit.mjs";

export function attention({ scale, causal }, inputs) {
  const tensors = upload(inputs);
  const [, L, , D] = inputs.q.shape;
  const [, S, G] = inputs.k.shape;
  if (G !== inputs.q.shape[2]) throw new Error("TensorFlow.js multiplies no grouped queries");
  const factor = scale ?? 1 / Math.sqrt(D);
  const hidden = causal ? causalMask(L, S) : null;
  const heads = (t) => tf.transpose(t, [0, 2, 1, 3]);
  const forward = ({ q, k, v }) => {
    let scores = tf.mul(matMul(heads(q), heads(k), false, true), factor);
    if (hidden) scores = tf.add(scores, hidden);
    return heads(matMul(tf.softmax(scores), heads(v)));
  };
  // Heads in front already: what a model written for it would keep.
  const scaled = ({ q, k, v }) => {
    let scores = matMul(heads(tf.mul(q, factor)), heads(k), false, true);
    if (hidden) scores = tf.add(scores, hidden);
    return heads(matMul(tf.softmax(scores), heads(v)));
  };
  const forms = [
    { name: "composed", forward },
    { name: "composed, queries scaled", forward: scaled },
  ];
  return { tensors: { ...tensors, ...(hidden && { hidden }) }, forms };
}

export function attentionPacked({ scale, causal }, inputs) {
  const tensors = upload(inputs);
  const [, L, , , D] = inputs.qkv.shape;
  const factor = scale ?? 1 / Math.sqrt(D);
  const hidden = causal ? causalMask(L, L) : null;
  const attend = (q, k, v) => {
    let scores = matMul(tf.mul(q, factor), k, false, true);
    if (hidden) scores = tf.add(scores, hidden);
    return tf.transpose(matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
  };
  const [B, , , H] = inputs.qkv.shape;
  const split = ({ qkv }) => {
    const parts = tf.split(qkv, 3, 2).map((t) => tf.transpose(tf.reshape(t, [B, L, H, D]), [0, 2, 1, 3]));
    return attend(...parts);
  };
  const transposed = ({ qkv }) => attend(...tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4])));
  const forms = [
    { name: "split, then transposed", forward: split },
    { name: "transposed, then unstacked", forward: transposed },
  ];
  return { tensors: { ...tensors, ...(hidden && { hidden }) }, forms };
}

/** -1e9 where key j is behind query i of the last L. */
function causalMask(L, S) {
  const values = new Float32Array(L * S);
  for (let i = 0; i < L; i++) for (let j = i + S - L + 1; j < S; j++) values[i * S + j] = -1e9;
  return tf.tensor(values, [L, S]);
}
