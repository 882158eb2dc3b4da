import * as tf from "@tensorflow/tfjs";
import { gather, layouts, matMul, titled, upload } from "./kit.mjs";

export function matmul({ transposeB = false, activation }, inputs) {
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
}

export function loraMatmul({ scale, dropout }, inputs) {
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
}

/** Rows of each expert by its matrix: lists are the task's, [offsets, counts, order, ...] as topKRouting gives them. */
export function groupedGemm({ gather: choices = null, transposed = true }, { lists, ...given }) {
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
