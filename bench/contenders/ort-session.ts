import { taking } from "../clock.js";
import { sizeOf } from "../inputs.js";
import { onnxModel } from "../onnx/model.js";
import { type Peer, type PeerCase, type Task, Unsupported } from "../task.js";
import { graphsOf } from "./ort-graphs.js";
import { type Ort, type OrtGraph, type Session, tensors } from "./ort-interface.js";
import { RESIDENT, residentCase } from "./ort-resident.js";

export interface OrtOptions {
  readonly threads: number;
  /** The device of ours: on webgpu, the session's operations run by the WebGPU provider. */
  readonly device: string;
  readonly constants: boolean;
}

/**
 * onnxruntime in this process or page. `constants`: weights are part of the model, so the session may repack them once; a
 * task without weights is unsupported then. On cpu, outputs have memory of their own, given in advance; on webgpu, inputs
 * and outputs are the device's buffers (ort-resident.ts).
 */
export function ortPeer(ort: Ort, options: OrtOptions): Peer {
  const { node, web, common } = ort.env.versions;
  const version = node ?? web ?? common;
  return {
    version: options.device === "webgpu" ? `${version}, WebGPU provider` : version,
    async prepare(task, inputs) {
      const cases: PeerCase[] = [];
      for (const [form, graph] of Object.entries(graphsOf(task, inputs, options.device))) {
        const named = form === "" ? {} : { form };
        try {
          cases.push({ ...(await graphCase(ort, task, graph, options)), ...named });
        } catch (error) {
          if (error instanceof Unsupported) throw error;
          cases.push({ ...failed((error as Error).message), ...named });
        }
      }
      return cases;
    },
    close() {},
  };
}

const failed = (error: string): PeerCase => ({
  contender: {
    async time() {
      throw new Error(error);
    },
    release() {},
  },
  results: null,
  error,
});

async function graphCase(ort: Ort, task: Task, graph: OrtGraph, options: OrtOptions): Promise<PeerCase> {
  if (options.constants && graph.weights.length === 0) throw new Unsupported(`${task.op} has no weights to prepack`);
  const constant = (name: string) => options.constants && graph.weights.includes(name);
  const session = await open(ort, graph, constant, options);
  const fed = Object.entries(graph.inputs).filter(([name]) => !constant(name));
  if (options.device === "webgpu") return residentCase(ort, session, graph, fed);
  const feeds = tensors(ort, fed);
  const fetches = tensors(
    ort,
    Object.entries(graph.outputs).map(([name, shape]) => [name, { shape, values: new Float32Array(sizeOf(shape)) }]),
  );
  const first = await session.run(feeds, fetches);
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) await session.run(feeds, fetches);
  };
  return {
    contender: { time: (calls: number) => taking(() => run(calls)), release: () => session.release() },
    results: Object.fromEntries(Object.keys(graph.outputs).map((name) => [name, first[name].data.slice()])),
  };
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
    constants: { ...graph.constants, ...Object.fromEntries(entries.filter(([name]) => constant(name))) },
  });
  return ort.InferenceSession.create(model, {
    ...(device === "webgpu" ? RESIDENT : { executionProviders: ["cpu"] }),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
}
