// A mixture of experts as users of jax-js compose it: dense, routed by the host, or with each expert's rows given.

import { jit, lax, nn, numpy as np, tree } from "@jax-js/jax";
import { largestExperts, rowsByExpert } from "../../../dist/bench/contenders/rows-by-expert.js";
import { toArray } from "./jax-arrays.mjs";

export function mixtureForms({ topK }, inputs) {
  const [E, rows, H] = inputs.up.shape;
  const [T] = inputs.x.shape;
  const F = rows / 2;
  const indices = (values) => np.array(values, { dtype: np.int32 });
  const gatheredLists = (choice) => {
    const { rows, back } = rowsByExpert(choice, E, 1);
    return { choice: toArray(choice), rows: rows.map(indices), back: indices(back) };
  };
  const paddedLists = (choice) => {
    const { padded, paddedBack } = rowsByExpert(choice, E);
    return { choice: toArray(choice), rows: indices(padded), back: indices(paddedBack) };
  };

  const probabilities = ({ x, router, routerBias }) => {
    return nn.softmax(np.matmul(x, np.matrixTranspose(router)).add(routerBias), -1);
  };
  // The largest one by one, each marked where it is.
  const gates = (given) => {
    const p = probabilities(given);
    let rest = lax.stopGradient(p.ref);
    let marks = np.zeros([T, E]);
    for (let k = 0; k < topK; k++) {
      const largest = np.equal(rest.ref, np.max(rest.ref, -1, { keepdims: true })).astype(np.float32);
      marks = marks.add(largest.ref);
      rest = rest.sub(largest);
    }
    rest.dispose();
    const kept = p.mul(marks);
    return kept.ref.div(kept.sum(-1, { keepdims: true }));
  };
  const weights = (given, choice) => {
    const isIt = np.equal(choice.reshape([T, topK, 1]), np.arange(E).astype(np.int32).reshape([1, 1, E]));
    const p = probabilities(given).reshape([T, 1, E]).mul(isIt.astype(np.float32)).sum(-1);
    return p.ref.div(p.sum(-1, { keepdims: true })).reshape([T, topK, 1]);
  };
  // Not split: the compiler did not finish the gradient of that.
  const swiglu = (pre) => {
    const whole = pre.shape.slice(0, -1).map(() => []);
    return nn.silu(pre.ref.slice(...whole, [0, F])).mul(pre.slice(...whole, [F, rows]));
  };
  const experts = (x, up, down) => {
    return np.matmul(swiglu(np.matmul(x, np.matrixTranspose(up))), np.matrixTranspose(down));
  };
  const routed = ({ x, router, routerBias }) => ({ x, router, routerBias });

  const batched = ({ up, down, chosen, ...given }) => {
    chosen.dispose();
    const y = experts(given.x.ref.reshape([1, T, H]), up, down);
    return y.mul(np.transpose(gates(routed(given))).reshape([E, T, 1])).sum(0);
  };
  const dense = ({ up, down, chosen, ...given }) => {
    chosen.dispose();
    const shares = gates(routed({ ...given, x: given.x.ref }));
    let y = np.zeros([T, H]);
    for (let e = 0; e < E; e++) {
      y = y.add(experts(given.x.ref, up.ref.slice(e), down.ref.slice(e)).mul(shares.ref.slice([], [e, e + 1])));
    }
    tree.dispose([given.x, up, down, shares]);
    return y;
  };
  const gathered = ({ up, down, chosen, lists, ...given }) => {
    chosen.dispose();
    const results = lists.rows.map((own, e) => {
      return experts(np.take(given.x.ref, own, 0), up.ref.slice(e), down.ref.slice(e));
    });
    tree.dispose([up, down]);
    const y = np.take(np.concatenate(results, 0), lists.back, 0).reshape([T, topK, H]);
    return y.mul(weights(routed(given), lists.choice)).sum(1);
  };
  const padded = ({ up, down, chosen, lists, ...given }) => {
    chosen.dispose();
    const x = np.take(given.x.ref, lists.rows, 0).reshape([E, -1, H]);
    const y = np.take(experts(x, up, down).reshape([-1, H]), lists.back, 0);
    return y
      .reshape([T, topK, H])
      .mul(weights(routed(given), lists.choice))
      .sum(1);
  };
  // The choice of the probabilities, which the host reads.
  const compiledProbabilities = jit(probabilities);
  const route = async ({ x, router, routerBias, ...others }) => {
    tree.dispose(others);
    const values = await compiledProbabilities({ x, router, routerBias }).data();
    return largestExperts({ shape: [T, E], values }, topK);
  };
  const forms = {
    "dense, batched": { forward: batched },
    "dense, expert by expert": { forward: dense },
    "routed by the host, expert by expert": { forward: gathered, listsOf: gatheredLists, route },
    "routed by the host, padded to the largest": { forward: padded, listsOf: paddedLists, route },
    "gathered, expert by expert": { forward: gathered, listsOf: gatheredLists, given: true },
    "gathered, padded to the largest": { forward: padded, listsOf: paddedLists, given: true },
  };
  // Its compiler has no scatter, which is the gradient of a gather.
  if (inputs.dy) {
    const gathers = Object.entries(forms).filter(([, { listsOf }]) => listsOf);
    for (const [name, form] of gathers) forms[`${name}, eager`] = { ...form, eager: true };
  }
  return forms;
}
