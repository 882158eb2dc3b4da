import type { Op } from "../../engine/dispatch/define-op.js";
import { openDevice } from "../../engine/index.js";
import { matmulOp } from "../../engine/ops/matmul.js";
import { type Peer, Unsupported } from "../task.js";
import { prepareOp } from "./engine.js";

/**
 * Our own linear layer without the adapter, on a device of its own: what LoRA costs over it. Less work on purpose, so
 * its results are not compared.
 */
export async function openFrozen(threads: number): Promise<Peer> {
  const device = await openDevice("cpu", { threads });
  return {
    version: device.description,
    async prepare({ op, trained }, { x, weight, bias, dy }) {
      if (op !== "loraMatmul") throw new Unsupported(`${op} has no adapter to leave out`);
      const inputs = { a: x, b: weight, ...(bias && { bias }), ...(dy && { dy }) };
      const call = {
        op: matmulOp as unknown as Op,
        options: { transposeB: true },
        trained: trained.includes("x") ? ["a"] : [],
      };
      const { contender } = prepareOp(device, call, inputs);
      return [{ contender, results: null, note: "the same layer without its adapter: less work" }];
    },
    close: () => device.close(),
  };
}
