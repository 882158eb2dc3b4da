import * as entropy from "../../../kernels/cross-entropy/kernels.js";
import { tryOpen } from "../../support/devices.js";
import { entropyOf } from "../../support/entropy-sizes.js";
import { describePasses, type PassCase, room, values } from "../../support/pass-cases.js";

function entropyGradient(
  name: string,
  V: number,
  target: readonly number[],
  smoothing: number,
  mean: boolean,
): PassCase {
  const { sizes, inputs, saved } = entropyOf(V, target, smoothing);
  const dy = values(mean ? 1 : target.length, name);
  return {
    pass: entropy.backwardInPlace,
    name,
    params: { ...sizes, perToken: mean ? 0 : 1 },
    arrays: { ...inputs, ...saved, dy, scale: mean ? Float32Array.of(0.25) : null },
    // Those of kernels/cross-entropy/cases.ts.
    tolerance: { f32: 2e-6, bf16: 4e-3, f16: 5e-4 },
  };
}

function entropyFault(name: string, target: readonly number[], faults: readonly number[]): PassCase {
  const { sizes, inputs, outputs } = entropyOf(9, target, 0);
  return {
    pass: entropy.forward,
    name,
    params: { ...sizes, faultLabel: 5 },
    arrays: { ...inputs, ...outputs(), faults: Uint32Array.from(faults) },
    tolerance: { f32: 1e-6 },
  };
}

const cases: PassCase[] = [
  entropyGradient("a mean, one ignored", 40, [3, -100, 39, 0], 0, true),
  entropyGradient("per token, smoothed, over several blocks", 4500, [4499, 2, -100], 0.1, false),
  entropyGradient("targets out of range: zeros", 8, [3, 8, -1], 0, false),
  {
    pass: entropy.backwardInPlace,
    name: "a target near certainty: exp - 1 does not cancel",
    params: { T: 1, V: 2, ignoreIndex: -100 >>> 0, smoothing: 0, perToken: 1 },
    arrays: {
      logits: Float32Array.of(0, -12),
      target: Int32Array.of(0),
      maximum: room(1),
      logSum: Float32Array.of(Math.log1p(Math.exp(-12))),
      // Brings a gradient of 6e-6 to where the tolerance sees it.
      dy: Float32Array.of(1e6),
      scale: null,
    },
    tolerance: { f32: 1e-6 },
  },
  entropyFault("a target out of range: zeros and a fault", [3, 9], [0, 0, 0, 0]),
  entropyFault("the first fault stays", [-7, 2], [1, 2, 3, 4]),
];

describePasses([
  ["cpu", await tryOpen("cpu", { debug: true, threads: 2 }), cases],
  ["webgpu", await tryOpen("webgpu", { debug: true }), cases],
  ["cuda", await tryOpen("cuda", { debug: true }), cases],
]);
