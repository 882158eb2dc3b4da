// The tasks as users of TensorFlow.js compose them of its operations, with its own gradients, on whichever backend was set.

import * as tf from "@tensorflow/tfjs";
import { InTurn } from "../../../dist/bench/row/in-turn.js";
import { attention, attentionPacked } from "./tfjs/attention.mjs";
import { mixtureOfExperts, topKRouting } from "./tfjs/experts.mjs";
import { repeat, turned, useKit } from "./tfjs/kit.mjs";
import { groupedGemm, loraMatmul, matmul } from "./tfjs/products.mjs";
import { adamwForms, crossEntropy, layerNorm } from "./tfjs/training.mjs";

const OPS = {
  matmul,
  loraMatmul,
  groupedGemm,
  topKRouting,
  attention,
  attentionPacked,
  layerNorm,
  crossEntropy,
  mixtureOfExperts,
};

/**
 * `prepare` gives the forms of a task; each runs `calls` calls from an idle device to an idle device. With `lists`, those that
 * are given each expert's rows, which are other work. `note` is said of every form.
 */
export function preparing({ lists = false, kit, note = null }) {
  // Without checks of every result for NaN.
  tf.env().set("PROD", true);
  useKit(kit);
  return (task, inputs, copies) => {
    return prepare(task, inputs, { lists, copies }).map((form) => ({ note: lists ? GIVEN : note, ...form }));
  };
}

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

const pick = (tensors, names) => Object.fromEntries(names.map((name) => [name, tensors[name]]));
const zip = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));
