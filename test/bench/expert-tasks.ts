import { prepared, prepareOp, type Tensors, uploadAll } from "../../bench/contenders/engine.js";
import { normals } from "../../bench/inputs.js";
import type { HostTensor, Task } from "../../bench/task.js";
import type { Op } from "../../engine/dispatch/define-op.js";
import { topKRouting } from "../../engine/index.js";
import { groupedGemmOp } from "../../engine/ops/grouped-gemm.js";
import type { RoutingOptions } from "../../engine/ops/top-k-routing.js";
import { listsOf } from "../../kernels/top-k-routing/sample.js";

/** Widths that grouped_mm takes: rows of whole 16 bytes. */
const [T, E, K, D, N] = [13, 4, 2, 8, 12];

const common = { bytes: null, flops: null, tolerance: 1e-5, name: "" };

/** A grouped product, of rows that it gathers or that are in groups; all tokens leave one expert out. */
export function groupedTask(rows: "gather" | "grouped", pass: Task["pass"], transposed = true): Task {
  const options = { gather: rows === "gather" ? K : null, transposed };
  const trained = pass === "forward" ? [] : ["x", "weight"];
  const sample = { E, T, K, expert: (t: number, k: number) => [0, 1, 3][(t + k) % 3] };
  const { shape, values } = listsOf(sample) as { shape: number[]; values: number[] };
  const lists: HostTensor = { shape, values: Int32Array.from(values) };
  return {
    ...{ ...common, suite: "grouped-gemm", op: "groupedGemm", pass, options, trained, shape: rows },
    prepare: async (device) => {
      const inputs = {
        x: normals([rows === "gather" ? T : T * K, D], 0),
        weight: normals(transposed ? [E, N, D] : [E, D, N], 1),
        lists,
        ...(trained.length > 0 && { dy: normals([T * K, N], 2) }),
      };
      return prepareOp(device, { op: groupedGemmOp as unknown as Op, options, trained, pass }, inputs);
    },
  };
}

export function routingTask(options: RoutingOptions, pass: Task["pass"] = "forward", bias = false): Task {
  const experts = 8;
  const trained = pass === "forward" ? [] : ["logits"];
  return {
    ...{ ...common, suite: "routing", op: "topKRouting", pass, trained, shape: JSON.stringify(options) },
    options: { ...options },
    prepare: async (device) => {
      const host = {
        logits: normals([T, experts], 0),
        ...(bias && { bias: normals([experts], 1) }),
        ...(trained.length > 0 && { dy: normals([T, options.topK], 2) }),
      };
      const forward = ({ logits, bias }: Tensors) => topKRouting(logits, { ...options, bias: bias ?? null }).weights;
      return prepared(device, { host, trained, pass, forward, upload: () => uploadAll(device, host, "f32") });
    },
  };
}
