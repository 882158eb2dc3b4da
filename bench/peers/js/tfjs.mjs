// The tasks as users of TensorFlow.js compose them of its operations, with its own gradients, on whichever backend was set.

import * as tf from "@tensorflow/tfjs";
import { largestExperts, rowsByExpert } from "../../../dist/bench/contenders/rows-by-expert.js";
import { InTurn } from "../../../dist/bench/row/in-turn.js";

const TF = {
  matMul: tf.matMul,
  gather: tf.gather,
  /** In floats. */
  oneHot: (indices, depth) => tf.oneHot(indices, depth, 1, 0, "float32"),
};
/** What a backend is bad at, it has others for. */
let { matMul, gather, oneHot } = TF;

/**
 * `prepare` gives the forms of a task; each runs `calls` calls from an idle device to an idle device. With `lists`, those that
 * are given each expert's rows, which are other work. `note` is said of every form.
 */
export function preparing({ lists = false, kit = TF, note = null }) {
  // Without checks of every result for NaN.
  tf.env().set("PROD", true);
  ({ matMul, gather, oneHot } = kit);
  return (task, inputs, copies) => {
    return prepare(task, inputs, { lists, copies }).map((form) => ({ note: lists ? GIVEN : note, ...form }));
  };
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
function layouts(names) {
  const asTheyCome = { title: "", kept: [], transposed: true };
  if (tf.getBackend() === "webgpu") return [asTheyCome];
  return [asTheyCome, { title: "weights [in, out]", kept: names, transposed: false }];
}

const titled = (...words) => words.filter((word) => word).join(", ") || undefined;

const GIVEN = "each expert's rows are given for nothing";

function prepare({ op, pass, options, trained }, inputs, { lists, copies }) {
  if (pass === "backward") throw new Error("TensorFlow.js runs a backward together with its forward only");
  if (op === "AdamW") return adamwForms(options, inputs);
  if (!OPS[op]) throw new Error(`nobody has composed ${op} of TensorFlow.js here`);
  const make = () => {
    const { tensors, forms } = OPS[op](options, inputs);
    return { tensors, forms: forms.filter(({ given = false }) => given === lists) };
  };
  const { tensors, forms } = make();
  if (forms.length === 0) {
    tf.dispose(tensors);
    throw new Error(`no form of ${op} is given what others find out`);
  }
  const constants = Object.keys(tensors).filter((name) => name !== "dy" && !trained.includes(name));
  // Forms share the tensors of a set: the last one frees them.
  const others = Array.from({ length: copies - 1 }, make);
  let left = forms.length;
  const release = () => {
    if (--left === 0) tf.dispose([tensors, ...others.map((set) => set.tensors)]);
  };
  const found = forms.map(({ name, flags = {}, kept = [] }, i) => {
    const setOf = ({ tensors, forms }) => {
      for (const key of kept) tensors[`${key} turned`] ??= turned(tensors[key]);
      const own = { ...tensors, ...Object.fromEntries(kept.map((key) => [key, tensors[`${key} turned`]])) };
      return { own, forward: forms[i].forward, route: forms[i].route };
    };
    const sets = new InTurn(setOf({ tensors, forms }), ...others.map(setOf));
    const compute = ({ own, forward }, routed) => {
      for (const [flag, value] of Object.entries(flags)) tf.env().set(flag, value);
      if (trained.length === 0) return { y: forward(own, routed) };
      const f = (...values) => forward({ ...pick(own, constants), ...zip(trained, values) }, routed);
      const of = trained.map((key) => own[key]);
      const { value, grads } = tf.valueAndGrads(f)(of, own.dy);
      return { y: value, ...Object.fromEntries(grads.map((gradient, i) => [`d${trained[i]}`, gradient])) };
    };
    const call = async (set) => {
      const routed = await set.route?.();
      const found = tf.tidy(() => compute(set, routed));
      tf.dispose(routed);
      return found;
    };
    return {
      name,
      run: (calls) => repeat(calls, async () => tf.dispose(await call(sets.next()))),
      results: async () => {
        const found = await call(sets.first);
        const values = {};
        for (const [key, tensor] of Object.entries(found)) {
          const back = kept.some((name) => key === `d${name}`) ? turned(tensor) : tf.clone(tensor);
          values[key] = await back.data();
          tf.dispose([tensor, back]);
        }
        return values;
      },
      release,
    };
  });
  for (const set of others) ready(set.tensors);
  const copiedBytes = others.reduce((sum, set) => sum + bytesOf(set.tensors), 0);
  return found.map((form, i) => ({ ...form, copiedBytes: i === 0 ? copiedBytes : 0 }));
}

/** Backends take values over when they are first used: outside the clock. */
function ready(tensors) {
  for (const t of Object.values(tensors)) tf.dispose(tf.neg(t));
}

/** Of floats and 32-bit integers. */
const bytesOf = (tensors) => Object.values(tensors).reduce((sum, { size }) => sum + 4 * size, 0);

const OPS = {
  matmul({ transposeB = false, activation }, inputs) {
    const tensors = upload(inputs);
    if (activation) throw new Error(`nobody has composed matmul with ${activation} of TensorFlow.js here`);
    const multiply =
      (transposed) =>
      ({ a, b, bias }) => {
        const product = matMul(a, b, false, transposed);
        return bias ? tf.add(product, bias) : product;
      };
    const forward = multiply(transposeB);
    if (tf.getBackend() !== "webgpu") {
      if (!transposeB) return { tensors, forms: [{ forward }] };
      const forms = layouts(["b"]).map(({ title, kept, transposed }) => {
        return { name: titled(title), kept, forward: multiply(transposed) };
      });
      return { tensors, forms };
    }
    // Its own choice, and each of its programs that can compute this.
    const programs = { "its choice": -1, reduce: 0, "split k": 1, "small output": 2, packed: 3 };
    const forms = Object.entries(programs).map(([name, program]) => {
      return { name, forward, flags: { WEBGPU_MATMUL_PROGRAM_TYPE: program } };
    });
    return { tensors, forms };
  },

  loraMatmul({ scale, dropout }, inputs) {
    if (dropout) throw new Error("TensorFlow.js draws dropout on the host: rows with it are not compared");
    const tensors = upload(inputs);
    const forms = layouts(["weight", "a", "b"]).flatMap(({ title, kept, transposed }) => {
      const linear = (x, weight) => matMul(x, weight, false, transposed);
      const base = ({ x, weight, bias }) => (bias ? tf.add(linear(x, weight), bias) : linear(x, weight));
      return [
        {
          ...{ name: titled("adapter scaled after it", title), kept },
          forward: (given) => tf.add(base(given), tf.mul(linear(linear(given.x, given.a), given.b), scale)),
        },
        {
          ...{ name: titled("adapter scaled between", title), kept },
          forward: (given) => tf.add(base(given), linear(tf.mul(linear(given.x, given.a), scale), given.b)),
        },
      ];
    });
    return { tensors, forms };
  },

  /** Rows of each expert by its matrix: lists are the task's, [offsets, counts, order, ...] as topKRouting gives them. */
  groupedGemm({ gather: choices = null, transposed = true }, { lists, ...given }) {
    const tensors = upload(given);
    const [E] = given.weight.shape;
    const rows = groupedRows(lists.values, E, choices);
    const ids = rows.map((own) => tf.tensor1d(own, "int32"));
    const forward = ({ x, weight, bias }) => {
      const biases = bias && tf.split(bias, E);
      const results = tf.unstack(weight).flatMap((matrix, e) => {
        if (rows[e].length === 0) return [];
        const own = matMul(gather(x, ids[e]), matrix, false, transposed);
        return [bias ? tf.add(own, biases[e]) : own];
      });
      return tf.concat(results);
    };
    return { tensors: { ...tensors, ...Object.fromEntries(ids.map((t, e) => [`rows${e}`, t])) }, forms: [{ forward }] };
  },

  /** The choice by its topk, the lists by the host: it has no sort. */
  topKRouting(options, inputs) {
    const { topK, normalize = false, score = "softmax", scale = 1 } = options;
    if (
      options.groups ||
      options.capacity ||
      options.noise ||
      !["softmax", "topKSoftmax"].includes(score) ||
      inputs.bias
    )
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
  },

  attention({ scale, causal }, inputs) {
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
  },

  attentionPacked({ scale, causal }, inputs) {
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
  },

  layerNorm({ eps }, inputs) {
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
  },

  crossEntropy({ reduction, labelSmoothing, ignoreIndex }, inputs) {
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
  },

  mixtureOfExperts({ topK }, inputs) {
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
  },
};

/** It has Adam, and no AdamW: the decay before it is what AdamW adds. */
function adamwForms({ lr, betas, eps, weightDecay }, inputs) {
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

async function repeat(calls, call) {
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

/** The rows of x that belong to each expert, of the record that `topKRouting` makes: those of the last expert end where the rows do. */
function groupedRows(lists, E, choices) {
  const offsets = lists.subarray(0, E + 1);
  const order = lists.subarray(2 * E + 1);
  return Array.from({ length: E }, (_, e) => {
    const own = Int32Array.from({ length: offsets[e + 1] - offsets[e] }, (_, i) => offsets[e] + i);
    return choices === null ? own : own.map((row) => Math.floor(order[row] / choices));
  });
}

const toTensor = ({ shape, values }) => tf.tensor(values, shape, values instanceof Int32Array ? "int32" : "float32");
const upload = (inputs) => Object.fromEntries(Object.entries(inputs).map(([name, host]) => [name, toTensor(host)]));
const pick = (tensors, names) => Object.fromEntries(names.map((name) => [name, tensors[name]]));
const zip = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));

/** -1e9 where key j is behind query i of the last L. */
function causalMask(L, S) {
  const values = new Float32Array(L * S);
  for (let i = 0; i < L; i++) for (let j = i + S - L + 1; j < S; j++) values[i * S + j] = -1e9;
  return tf.tensor(values, [L, S]);
}
