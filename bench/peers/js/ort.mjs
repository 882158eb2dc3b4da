// onnxruntime-node on the CPU or by its WebGPU provider, which has a Dawn of its own: the forms of ort-session.ts, which a page
// runs, too.

import ort from "onnxruntime-node";
import { ortPeer } from "../../../dist/bench/contenders/ort-session.js";

export const library = "onnxruntime-node";

export function open({ device, threads, flags }) {
  const [constants, given] = [flags.includes("constants"), flags.includes("lists")];
  const peer = ortPeer(ort, { threads, device, constants, given });
  return async (task, inputs, copies) => {
    const cases = await peer.prepare(task, inputs, copies);
    return cases.map(({ contender, results, form, note, error, copiedBytes }) => ({
      ...{ name: form, note, error, copiedBytes, results },
      run: (calls) => contender.time(calls),
      release: () => contender.release(),
    }));
  };
}
