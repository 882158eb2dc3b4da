import { createRequire } from "node:module";
import { join } from "node:path";
import { taking } from "../clock.js";
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

interface OrtOptions {
  readonly threads: number;
  /** The device of ours: on webgpu, the session's operations run by the WebGPU provider. */
  readonly device: string;
  readonly constants: boolean;
}

/**
 * onnxruntime-node in this process. `constants`: weights are part of the model, so the session may repack them once; a
 * task without weights is unsupported then. Outputs have memory of their own, given in advance.
 */
export async function openOrt(folder: string, options: OrtOptions): Promise<Peer> {
  const ort = load(folder);
  const version = ort.env.versions.node ?? ort.env.versions.common;
  return {
    version: options.device === "webgpu" ? `${version}, WebGPU provider` : version,
    async prepare(task, inputs) {
      const graph = graphOf(task, inputs);
      if (options.constants && graph.weights.length === 0)
        throw new Unsupported(`${task.op} has no weights to prepack`);
      const constant = (name: string) => options.constants && graph.weights.includes(name);
      const session = await open(ort, graph, constant, options);
      const feeds = tensors(
        ort,
        Object.entries(graph.inputs).filter(([name]) => !constant(name)),
      );
      const results = Object.entries(graph.outputs).map(
        ([name, shape]) => [name, { shape, values: new Float32Array(sizeOf(shape)) }] as const,
      );
      const fetches = tensors(ort, results);
      await session.run(feeds, fetches);
      const run = async (calls: number) => {
        for (let i = 0; i < calls; i++) await session.run(feeds, fetches);
      };
      const found = {
        contender: { time: (calls: number) => taking(() => run(calls)), release: () => session.release() },
        results: Object.fromEntries(results.map(([name, { values }]) => [name, values.slice()])),
      };
      return [found];
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

function open(
  ort: Ort,
  graph: OrtGraph,
  constant: (name: string) => boolean,
  { threads, device }: OrtOptions,
): Promise<Session> {
  const entries = Object.entries(graph.inputs);
  const model = onnxModel({
    nodes: graph.nodes,
    inputs: Object.fromEntries(entries.filter(([name]) => !constant(name)).map(([name, { shape }]) => [name, shape])),
    outputs: graph.outputs,
    constants: Object.fromEntries(entries.filter(([name]) => constant(name))),
  });
  return ort.InferenceSession.create(model, {
    executionProviders: [device === "webgpu" ? "webgpu" : "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

type Values = readonly (readonly [string, { readonly shape: readonly number[]; readonly values: Float32Array }])[];

const tensors = (ort: Ort, values: Values): Record<string, object> =>
  Object.fromEntries(values.map(([name, t]) => [name, new ort.Tensor("float32", t.values, t.shape)]));
