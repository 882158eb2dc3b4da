import type { AnyPass } from "../../../kernels/contract.js";
import * as entropy from "../../../kernels/cross-entropy/kernels.js";
import * as l2 from "../../../kernels/l2-normalize/kernels.js";
import * as layerNorm from "../../../kernels/layer-norm/kernels.js";
import * as rmsNorm from "../../../kernels/rms-norm/kernels.js";
import * as softmaxes from "../../../kernels/softmax/kernels.js";
import * as top from "../../../kernels/top-k/kernels.js";
import { tryOpen, tryOpenLikeGpu } from "../../support/devices.js";
import { entropyOf } from "../../support/entropy-sizes.js";
import {
  type Arrays,
  describePasses,
  type Numbers,
  type PassCase,
  positive,
  room,
  values,
} from "../../support/pass-cases.js";

/** Every pass whose threads for a row depend on the adapter. */
function rows(T: number, C: number): PassCase[] {
  const make = (pass: AnyPass, params: Numbers, arrays: Arrays, f32 = 3e-6): PassCase => ({
    ...{ pass, name: `${T} rows of ${C}`, params: { T, C, ...params }, arrays },
    tolerance: { f32 },
  });
  const inputs = {
    x: values(T * C, `x ${C}`),
    dy: values(T * C, `dy ${C}`),
    weight: values(C, `weight ${C}`),
    bias: values(C, `bias ${C}`),
  };
  const forward = { ...inputs, y: room(T * C), mean: room(T), rstd: room(T), norm: room(T) };
  const backward = {
    ...inputs,
    y: positive(T * C, `y ${C}`).map((v) => v / C),
    mean: values(T, "mean", 0.1),
    rstd: values(T, "rstd", 0.1, 1),
    norm: values(T, "norm", 0.1, 10),
    dx: room(T * C),
  };
  const target = Array.from({ length: T }, (_, t) => (t * 31) % C);
  const losses = entropyOf(C, target, 0.1);
  const best = { x: inputs.x, values: room(T * 5), indices: new Int32Array(T * 5) };
  return [
    make(layerNorm.forward, { eps: 1e-5 }, forward),
    make(layerNorm.backwardInput, {}, backward),
    make(rmsNorm.forward, { eps: 1e-5 }, forward),
    make(rmsNorm.backwardInput, {}, backward),
    make(l2.forward, { eps: 1e-12 }, forward),
    make(l2.backward, { eps: 1e-12 }, backward),
    make(softmaxes.forward, { log: 0 }, forward),
    make(softmaxes.backward, { log: 0 }, backward),
    make(entropy.forward, { ...losses.sizes, faultLabel: 1 }, { ...losses.inputs, ...losses.outputs() }),
    make(top.forward, { V: C, K: 5 }, best, 0),
  ];
}

function noRows(pass: AnyPass): PassCase {
  const sums = { dweight: room(5), dbias: room(5) };
  const arrays = { dy: room(0), x: room(0), mean: room(0), rstd: room(0), ...sums };
  return { pass, name: "no rows: zeros", params: { T: 0, C: 5 }, arrays, tolerance: { f32: 0, f16: 0 } };
}

const none = [noRows(layerNorm.backwardWeight), noRows(rmsNorm.backwardWeight)];
/** With the tiles of a GPU, which few test machines have. */
const tiled = rows(7, 150);

describePasses([
  ["cpu", await tryOpen("cpu", { debug: true, threads: 2 }), none],
  ["webgpu", await tryOpen("webgpu", { debug: true }), none],
  ["webgpu with the tiles of a GPU", await tryOpenLikeGpu({ debug: true }), tiled],
  ["cuda", await tryOpen("cuda", { debug: true }), [...none, ...tiled]],
]);
