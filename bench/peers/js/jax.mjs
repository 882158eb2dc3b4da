// The tasks as users of jax-js compose them of its operations, compiled by its `jit`, gradients by its `vjp`, on whichever device
// was set. Arrays are counted by their owner: a function consumes its arguments, and `.ref` is one more owner.

import * as jax from "@jax-js/jax";
import { InTurn } from "../../../dist/bench/row/in-turn.js";
import { bytesOf } from "./inputs.mjs";
import { toArray } from "./jax-arrays.mjs";
import { mixtureForms } from "./jax-mixture.mjs";

const { jit, nn, numpy: np, tree, vjp } = jax;

/** Waits for a device that runs by itself. */
let idle = async () => {};

/**
 * `prepare` gives the forms of a task; each runs `calls` calls from an idle device to an idle device; with `lists`, those that
 * are given each expert's rows, which are other work.
 */
export function preparing({ lists = false, idle: wait = idle }) {
  idle = wait;
  const note = lists ? "each expert's rows are given for nothing" : null;
  return async (task, inputs, copies) => {
    return (await prepare(task, inputs, { lists, copies })).map((form) => ({ note, ...form }));
  };
}

async function prepare({ op, pass, options, trained }, inputs, { lists, copies }) {
  if (pass === "backward") throw new Error("jax-js is timed with a backward and its forward together only");
  if (op === "AdamW") return adamwForms(options, inputs);
  if (!OPS[op]) throw new Error(`nobody has composed ${op} of jax-js here`);
  const upload = () => Object.fromEntries(Object.entries(inputs).map(([name, host]) => [name, toArray(host)]));
  const forms = Object.entries(OPS[op](options, inputs)).filter(([, { given = false }]) => given === lists);
  if (forms.length === 0) throw new Error(`no form of ${op} is given what others find out`);
  const others = Array.from({ length: copies - 1 }, upload);
  const sets = new InTurn(upload(), ...others);
  await jax.blockUntilReady(sets.all);
  let left = forms.length;
  return forms.map(([name, { forward, listsOf, route, eager = false }], i) => {
    const compiled = eager ? calling(forward, trained) : jit(calling(forward, trained));
    const fixed = listsOf && !route ? listsOf(inputs.chosen) : null;
    const call = async (arrays) => {
      const lists = fixed ? tree.ref(fixed) : route && listsOf(await route(tree.ref(arrays)));
      return compiled({ ...tree.ref(arrays), ...(lists && { lists }) });
    };
    return {
      name,
      // Forms share them.
      copiedBytes: i === 0 ? others.length * bytesOf(inputs) : 0,
      run: (calls) => repeat(calls, () => call(sets.next())),
      results: async () => hostValues(await call(sets.first)),
      release() {
        compiled.dispose?.();
        if (fixed) tree.dispose(fixed);
        if (--left === 0) tree.dispose(sets.all);
      },
    };
  });
}

/** A function of all inputs that gives y, and the gradients of what is trained for dy. */
function calling(forward, trained) {
  if (trained.length === 0) return (given) => ({ y: forward(given) });
  return ({ dy, ...given }) => {
    const constants = Object.fromEntries(Object.entries(given).filter(([name]) => !trained.includes(name)));
    const f = (...values) => {
      return forward({ ...constants, ...Object.fromEntries(trained.map((name, i) => [name, values[i]])) });
    };
    const [y, pull] = vjp(
      f,
      trained.map((name) => given[name]),
    );
    const gradients = pull(dy);
    pull.dispose?.();
    return { y, ...Object.fromEntries(trained.map((name, i) => [`d${name}`, gradients[i]])) };
  };
}

const OPS = {
  matmul({ transposeB = false, activation }) {
    if (activation) throw new Error(`nobody has composed matmul with ${activation} of jax-js here`);
    const forward = ({ a, b, bias }) => {
      const product = np.matmul(a, transposeB ? np.matrixTranspose(b) : b);
      return bias ? product.add(bias) : product;
    };
    return { jit: { forward }, eager: { forward, eager: true } };
  },

  loraMatmul({ scale, dropout }) {
    if (dropout) throw new Error("nobody has composed dropout of jax-js here");
    const linear = (x, weight) => np.matmul(x, np.matrixTranspose(weight));
    const forward = ({ x, weight, a, b, bias }) => {
      const base = linear(x.ref, weight);
      const adapted = linear(linear(x, a), b).mul(scale);
      return (bias ? base.add(bias) : base).add(adapted);
    };
    return { jit: { forward }, eager: { forward, eager: true } };
  },

  attention({ scale, causal }, inputs) {
    const [, L, H, D] = inputs.q.shape;
    const [, S, G] = inputs.k.shape;
    if (G !== H) throw new Error("dotProductAttention has no grouped queries");
    if (causal && L !== S) throw new Error("dotProductAttention has no causal mask for queries that are the last");
    const factor = scale ?? 1 / Math.sqrt(D);
    const fused = ({ q, k, v }) => nn.dotProductAttention(q, k, v, { scale: factor, isCausal: causal ?? false });
    const forms = { dotProductAttention: { forward: fused } };
    if (!causal) forms.composed = { forward: ({ q, k, v }) => attend(heads(q), heads(k), heads(v), factor) };
    return forms;
  },

  attentionPacked({ scale, causal }, inputs) {
    const D = inputs.qkv.shape[4];
    const factor = scale ?? 1 / Math.sqrt(D);
    // Not split: the compiler did not finish the gradient of that.
    const parts = (qkv) => [0, 1, 2].map((i) => (i < 2 ? qkv.ref : qkv).slice([], [], i));
    const fused = ({ qkv }) => nn.dotProductAttention(...parts(qkv), { scale: factor, isCausal: causal ?? false });
    const forms = { dotProductAttention: { forward: fused } };
    if (!causal) forms.composed = { forward: ({ qkv }) => attend(...parts(qkv).map(heads), factor) };
    return forms;
  },

  layerNorm({ eps }) {
    const standardize = ({ x, weight, bias }) => nn.standardize(x, -1, { epsilon: eps }).mul(weight).add(bias);
    const composed = ({ x, weight, bias }) => {
      const mean = np.mean(x.ref, -1, { keepdims: true });
      const distance = x.sub(mean);
      const variance = np.mean(np.square(distance.ref), -1, { keepdims: true });
      return distance
        .div(np.sqrt(variance.add(eps)))
        .mul(weight)
        .add(bias);
    };
    return { standardize: { forward: standardize }, composed: { forward: composed } };
  },

  crossEntropy({ reduction, labelSmoothing, ignoreIndex }, inputs) {
    if (reduction !== "mean" || labelSmoothing > 0 || inputs.target.values.includes(ignoreIndex))
      throw new Error("only the mean over all targets is composed of jax-js here");
    const [T, V] = inputs.logits.shape;
    // Not nn.oneHot: that takes rows of a [V, V] identity, which no buffer holds.
    const oneHot = (target) => {
      const classes = np.arange(V).astype(np.int32).reshape([1, V]);
      return np.equal(target.reshape([T, 1]), classes).astype(np.float32);
    };
    const logSoftmax = ({ logits, target }) => {
      return nn
        .logSoftmax(logits, -1)
        .mul(oneHot(target))
        .sum()
        .mul(-1 / T);
    };
    const logSumExp = ({ logits, target }) => {
      const picked = logits.ref.mul(oneHot(target)).sum(-1);
      return np.mean(nn.logsumexp(logits, -1).sub(picked));
    };
    return {
      "logSoftmax × one-hot": { forward: logSoftmax },
      "logSumExp - logit": { forward: logSumExp },
    };
  },

  mixtureOfExperts: mixtureForms,
};

/** [B, T, H, D] to [B, H, T, D]. */
const heads = (t) => np.transpose(t, [0, 2, 1, 3]);

function attend(q, k, v, factor) {
  const scores = np.matmul(q.mul(factor), np.matrixTranspose(k));
  return heads(np.matmul(nn.softmax(scores, -1), v));
}

/** Its optimisers are not published: AdamW by hand, compiled as one function of all parameters, or as one of each. */
function adamwForms({ lr, betas, eps, weightDecay }, inputs) {
  const [beta1, beta2] = betas;
  const names = Array.from({ length: Object.keys(inputs).length / 2 }, (_, i) => String(i));
  const update = ({ p, m, v, g, c }) => {
    const first = m.mul(beta1).add(g.ref.mul(1 - beta1));
    const second = v.mul(beta2).add(np.square(g).mul(1 - beta2));
    const [c1, c2] = [c.ref.slice(0), c.slice(1)];
    const move = first.ref.mul(c1).div(np.sqrt(second.ref.mul(c2)).add(eps));
    return { p: p.mul(1 - lr * weightDecay).sub(move.mul(lr)), m: first, v: second };
  };
  const correction = (t) => np.array([1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t)]);
  const form = (name, compiled, stepAll) => {
    const gradients = names.map((i) => toArray(inputs[`gradient:${i}`]));
    let state = names.map((i) => {
      const p = toArray(inputs[`parameter:${i}`]);
      return { p, m: np.zeros(p.shape), v: np.zeros(p.shape) };
    });
    let t = 0;
    const step = () => {
      state = stepAll(state, gradients, correction(++t));
      return tree.ref(state);
    };
    return {
      name,
      run: (calls) => repeat(calls, step),
      results: async () => {
        tree.dispose([step(), step()]);
        return hostValues(Object.fromEntries(state.map(({ p }, i) => [names[i], p.ref])));
      },
      release() {
        tree.dispose([state, gradients]);
        compiled.dispose();
      },
    };
  };
  const all = jit((state, gradients, c) => {
    const next = state.map((own, i) => update({ ...own, g: gradients[i], c: c.ref }));
    c.dispose();
    return next;
  });
  const each = jit(update);
  return [
    form("one jit of all parameters", all, (state, gradients, c) => all(state, tree.ref(gradients), c)),
    form("a jit of each parameter", each, (state, gradients, c) => {
      const next = state.map((own, i) => each({ ...own, g: gradients[i].ref, c: c.ref }));
      c.dispose();
      return next;
    }),
  ];
}

/** Work is done for those who wait for its result: an array that is disposed of before is never computed. */
async function repeat(calls, call) {
  const found = [];
  for (let i = 0; i < calls; i++) found.push(await call());
  await jax.blockUntilReady(found);
  await idle();
  tree.dispose(found);
}

async function hostValues(found) {
  const values = {};
  for (const [name, array] of Object.entries(found)) values[name] = await array.data();
  return values;
}
