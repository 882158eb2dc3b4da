// What training has besides products and attention: normalisation, loss, optimiser.

import * as tf from "@tensorflow/tfjs";
import { oneHot, repeat, toTensor, upload } from "./kit.mjs";

export function layerNorm({ eps }, inputs) {
  const tensors = upload(inputs);
  const affine = (normal, { weight, bias }) => tf.add(tf.mul(normal, weight), bias);
  const moments = (given) => {
    const { mean, variance } = tf.moments(given.x, -1, true);
    return affine(tf.mul(tf.sub(given.x, mean), tf.rsqrt(tf.add(variance, eps))), given);
  };
  const centred = (given) => {
    const distance = tf.sub(given.x, tf.mean(given.x, -1, true));
    const variance = tf.mean(tf.square(distance), -1, true);
    return affine(tf.mul(distance, tf.rsqrt(tf.add(variance, eps))), given);
  };
  const forms = [
    { name: "by moments", forward: moments },
    { name: "by means", forward: centred },
  ];
  return { tensors, forms };
}

export function crossEntropy({ reduction, labelSmoothing, ignoreIndex }, inputs) {
  if (reduction !== "mean" || labelSmoothing > 0 || inputs.target.values.includes(ignoreIndex))
    throw new Error("only the mean over all targets is composed of TensorFlow.js here");
  const tensors = upload(inputs);
  const [, V] = inputs.logits.shape;
  const ready = tf.tidy(() => oneHot(tensors.target, V));
  const classes = (target) => oneHot(target, V);
  const composed = (labels) => (given) => {
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(given.logits), labels(given.target)), -1)));
  };
  const loss = (labels) => (given) => {
    return tf.losses.softmaxCrossEntropy(labels(given.target), given.logits, undefined, 0, tf.Reduction.MEAN);
  };
  const sum = (given) => {
    const picked = tf.sum(tf.mul(given.logits, ready), -1);
    return tf.mean(tf.sub(tf.logSumExp(given.logits, -1), picked));
  };
  const forms = [
    { name: "logSoftmax × one-hot", forward: composed(classes) },
    { name: "logSoftmax × one-hot made before", forward: composed(() => ready) },
    { name: "softmaxCrossEntropy, one-hot made before", forward: loss(() => ready) },
    { name: "logSumExp - logit, one-hot made before", forward: sum },
  ];
  return { tensors: { ...tensors, ready }, forms };
}

/** It has Adam, and no AdamW: the decay before it is what AdamW adds. */
export function adamwForms({ lr, betas, eps, weightDecay }, inputs) {
  const count = Object.keys(inputs).length / 2;
  const [beta1, beta2] = betas;
  const names = Array.from({ length: count }, (_, i) => String(i));
  const gradients = names.map((i) => toTensor(inputs[`gradient:${i}`]));
  const start = () => names.map((i) => toTensor(inputs[`parameter:${i}`]));

  const own = () => {
    const variables = start().map((value, i) => tf.variable(value, true, `p${i}:${Math.random()}`));
    const optimizer = tf.train.adam(lr, beta1, beta2, eps);
    const named = Object.fromEntries(variables.map((v, i) => [v.name, gradients[i]]));
    const step = () => {
      tf.tidy(() => {
        for (const v of variables) v.assign(tf.mul(v, 1 - lr * weightDecay));
      });
      optimizer.applyGradients(named);
    };
    const release = () => {
      optimizer.dispose();
      tf.dispose(variables);
    };
    return { step, parameters: () => variables, release };
  };

  const composed = () => {
    let state = start().map((p) => ({ p, m: tf.zerosLike(p), v: tf.zerosLike(p) }));
    let t = 0;
    const step = () => {
      t++;
      const [c1, c2] = [1 - beta1 ** t, 1 - beta2 ** t];
      state = state.map(({ p, m, v }, i) => {
        const next = tf.tidy(() => {
          const g = gradients[i];
          const first = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1));
          const second = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
          const move = tf.div(first, tf.add(tf.sqrt(tf.mul(second, 1 / c2)), eps));
          return { p: tf.sub(tf.mul(p, 1 - lr * weightDecay), tf.mul(move, lr / c1)), m: first, v: second };
        });
        tf.dispose([p, m, v]);
        return next;
      });
    };
    return { step, parameters: () => state.map(({ p }) => p), release: () => tf.dispose(state) };
  };

  return [
    ["decay, then train.adam", own],
    ["composed", composed],
  ].map(([name, make]) => {
    const { step, parameters, release } = make();
    return {
      name,
      run: (calls) => repeat(calls, step),
      results: async () => {
        step();
        step();
        const values = {};
        for (const [i, p] of parameters().entries()) values[i] = await p.data();
        return values;
      },
      release,
    };
  });
}
