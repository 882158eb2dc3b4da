import { createRequire } from "node:module";
import { join } from "node:path";
import { sizeOf } from "../inputs.js";
import { onnxModel } from "../onnx/model.js";
import { type Peer, Unsupported } from "../task.js";
import { graphOf, type OrtGraph } from "./ort-graphs.js";

/** The part of onnxruntime-node's interface that is used here. */
interface Ort {
  readonly Tensor: new (type: "float32", values: Float32Array, shape: readonly number[]) => object;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<Session>;
  };
  readonly env: { readonly versions: { readonly node?: string; readonly common: string } };
}
interface Session {
  run(feeds: Readonly<Record<string, object>>, fetches: Readonly<Record<string, object>>): Promise<unknown>;
  release(): Promise<void>;
}

/**
 * onnxruntime-node in this process. `constants`: weights are part of the model, so the session may repack them once; a
 * task without weights is unsupported then. Outputs have memory of their own, given in advance.
 */
export async function openOrt(folder: string, options: { threads: number; constants: boolean }): Promise<Peer> {
  const ort = load(folder);
  return {
    version: ort.env.versions.node ?? ort.env.versions.common,
    async prepare(task, inputs) {
      const graph = graphOf(task, inputs);
      if (options.constants && graph.weights.length === 0)
        throw new Unsupported(`${task.op} has no weights to prepack`);
      const constant = (name: string) => options.constants && graph.weights.includes(name);
      const session = await open(ort, graph, constant, options.threads);
      const feeds = tensors(
        ort,
        Object.entries(graph.inputs).filter(([name]) => !constant(name)),
      );
      const results = Object.entries(graph.outputs).map(
        ([name, shape]) => [name, { shape, values: new Float32Array(sizeOf(shape)) }] as const,
      );
      const fetches = tensors(ort, results);
      await session.run(feeds, fetches);
      return {
        contender: {
          async time(calls) {
            const start = performance.now();
            for (let i = 0; i < calls; i++) await session.run(feeds, fetches);
            return (performance.now() - start) / 1000;
          },
          release: () => session.release(),
        },
        results: Object.fromEntries(results.map(([name, { values }]) => [name, values.slice()])),
      };
    },
    close() {},
  };
}

function load(folder: string): Ort {
  try {
    return createRequire(join(folder, "package.json"))("onnxruntime-node") as Ort;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    const reason = missing ? "it is not installed" : (cause as Error).message;
    throw new Error(`onnxruntime-node: ${reason}. Install it with: npm i --prefix bench/peers --ignore-scripts`, {
      cause,
    });
  }
}

function open(ort: Ort, graph: OrtGraph, constant: (name: string) => boolean, threads: number): Promise<Session> {
  const entries = Object.entries(graph.inputs);
  const model = onnxModel({
    nodes: graph.nodes,
    inputs: Object.fromEntries(entries.filter(([name]) => !constant(name)).map(([name, { shape }]) => [name, shape])),
    outputs: graph.outputs,
    constants: Object.fromEntries(entries.filter(([name]) => constant(name))),
  });
  return ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

type Values = readonly (readonly [string, { readonly shape: readonly number[]; readonly values: Float32Array }])[];

const tensors = (ort: Ort, values: Values): Record<string, object> =>
  Object.fromEntries(values.map(([name, t]) => [name, new ort.Tensor("float32", t.values, t.shape)]));
