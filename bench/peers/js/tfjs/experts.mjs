import * as tf from "@tensorflow/tfjs";
import { largestExperts, rowsByExpert } from "../../../../dist/bench/contenders/rows-by-expert.js";
import { gather, layouts, matMul, oneHot, titled, toTensor, upload } from "./kit.mjs";

/** The choice by its topk, the lists by the host: it has no sort. */
export function topKRouting(options, inputs) {
  const { topK, normalize = false, score = "softmax", scale = 1 } = options;
  if (options.groups || options.capacity || options.noise || !["softmax", "topKSoftmax"].includes(score) || inputs.bias)
    throw new Error("only softmax routing without groups is composed of TensorFlow.js here");
  if (inputs.dy) throw new Error("TensorFlow.js has no gradient of topk");
  const tensors = upload(inputs);
  const [, E] = inputs.logits.shape;
  const weigh = () => {
    const among = score === "softmax" ? tf.softmax(tensors.logits) : tensors.logits;
    const { values, indices } = tf.topk(among, topK);
    const raw = score === "softmax" ? values : tf.softmax(values);
    return { weights: tf.mul(normalize ? tf.div(raw, tf.sum(raw, -1, true)) : raw, scale), indices };
  };
  const name = "topk, lists by the host";
  const route = async () => {
    const { weights, indices } = tf.tidy(weigh);
    rowsByExpert({ shape: indices.shape, values: await indices.data() }, E);
    indices.dispose();
    return { weights };
  };
  return { tensors, forms: [{ name, route, forward: (_, { weights }) => tf.clone(weights) }] };
}

export function mixtureOfExperts({ topK }, inputs) {
  const { chosen, ...given } = inputs;
  const tensors = upload(given);
  const [E, , H] = inputs.up.shape;
  const [T] = inputs.x.shape;
  const indices = (values) => tf.tensor1d(values, "int32");
  const listsOf = (choice) => {
    const { rows, most, padded, back, paddedBack } = rowsByExpert(choice, E);
    return {
      ...{ most, chosen: toTensor(choice), rows: rows.map(indices) },
      ...{ padded: indices(padded), back: indices(back), paddedBack: indices(paddedBack) },
    };
  };
  const fixed = listsOf(chosen);

  const probabilities = ({ x, router, routerBias }) => {
    return tf.softmax(tf.add(matMul(x, router, false, true), routerBias));
  };
  // The largest one by one, each marked where it is: there is no gradient of topk, nor does this need one.
  const marks = tf.customGrad((p) => {
    let [kept, rest] = [tf.zerosLike(p), p];
    for (let k = 0; k < topK; k++) {
      const largest = tf.cast(tf.equal(rest, tf.max(rest, -1, true)), "float32");
      kept = tf.add(kept, largest);
      rest = tf.sub(rest, largest);
    }
    return { value: kept, gradFunc: () => tf.zerosLike(p) };
  });
  /** [T, E], zero where not chosen. */
  const gates = (given) => {
    const p = probabilities(given);
    const kept = tf.mul(p, marks(p));
    return tf.div(kept, tf.sum(kept, -1, true));
  };
  /** Lists of the probabilities, which the host reads. */
  const route = async () => {
    const p = tf.tidy(() => probabilities(tensors));
    const values = await p.data();
    tf.dispose(p);
    return listsOf(largestExperts({ shape: [T, E], values }, topK));
  };
  /** [T, K], of the choice in the lists. */
  const weights = (given, { chosen }) => {
    const p = tf.sum(tf.mul(tf.expandDims(probabilities(given), 1), oneHot(chosen, E)), -1);
    return tf.div(p, tf.sum(p, -1, true));
  };
  const swiglu = (pre, axis) => {
    const [gate, up] = tf.split(pre, 2, axis);
    return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
  };
  const inLayout = ({ title, kept, transposed }) => {
    const expert = (x, up, down) => {
      return matMul(swiglu(matMul(x, up, false, transposed), -1), down, false, transposed);
    };
    const gathered = (given, lists) => {
      const [ups, downs] = [tf.unstack(given.up), tf.unstack(given.down)];
      const results = lists.rows.flatMap((own, e) => {
        return own.size > 0 ? [expert(gather(given.x, own), ups[e], downs[e])] : [];
      });
      const y = tf.reshape(gather(tf.concat(results), lists.back), [T, topK, H]);
      return tf.sum(tf.mul(y, tf.expandDims(weights(given, lists), -1)), 1);
    };
    const padded = (given, lists) => {
      const x = tf.reshape(gather(given.x, lists.padded), [E, lists.most, H]);
      const y = expert(x, given.up, given.down);
      const back = gather(tf.reshape(y, [E * lists.most, H]), lists.paddedBack);
      return tf.sum(tf.mul(tf.reshape(back, [T, topK, H]), tf.expandDims(weights(given, lists), -1)), 1);
    };
    const batched = (given) => {
      const y = expert(tf.tile(tf.expandDims(given.x, 0), [E, 1, 1]), given.up, given.down);
      return tf.sum(tf.mul(y, tf.reshape(tf.transpose(gates(given)), [E, T, 1])), 0);
    };
    const dense = (given) => {
      const [ups, downs] = [tf.unstack(given.up), tf.unstack(given.down)];
      const shares = tf.split(gates(given), E, -1);
      return tf.addN(ups.map((up, e) => tf.mul(expert(given.x, up, downs[e]), shares[e])));
    };
    const forms = {
      "dense, batched": { forward: batched },
      "dense, expert by expert": { forward: dense },
      "routed by the host, expert by expert": { route, forward: gathered },
      "routed by the host, padded to the largest": { route, forward: padded },
      "gathered, expert by expert": { given: true, forward: (given) => gathered(given, fixed) },
      "gathered, padded to the largest": { given: true, forward: (given) => padded(given, fixed) },
    };
    return Object.entries(forms).map(([name, form]) => ({ name: titled(name, title), kept, ...form }));
  };
  const forms = layouts(["up", "down"]).flatMap(inLayout);
  const { most, rows: lists, ...shared } = fixed;
  return { tensors: { ...tensors, ...shared, ...Object.fromEntries(lists.map((t, e) => [`rows${e}`, t])) }, forms };
}
