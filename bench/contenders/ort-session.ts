import { sizeOf } from "../../kernels/cost.js";
import { onnxModel } from "../onnx/model.js";
import { taking } from "../row/clock.js";
import { InTurn } from "../row/in-turn.js";
import { type Peer, type PeerCase, type Task, Unsupported } from "../task.js";
import { graphsOf } from "./ort-graphs.js";
import { type Ort, type OrtGraph, type Session, tensors, type Values } from "./ort-interface.js";
import { ON_HOST, RESIDENT, residentCase } from "./ort-resident.js";

export interface OrtOptions {
  readonly threads: number;
  /** The device of ours: on webgpu, the session's operations run by the WebGPU provider. */
  readonly device: string;
  readonly constants: boolean;
  /** Only forms that are given what ours finds out. */
  readonly given?: boolean;
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
    async prepare(task, inputs, copies = 1) {
      const cases: PeerCase[] = [];
      const forms = Object.entries(graphsOf(task, inputs, options.device));
      const wanted = forms.filter(([, { given }]) => (given !== undefined) === (options.given ?? false));
      if (wanted.length === 0) throw new Unsupported(`no form of ${task.op} is given what others find out`);
      for (const [form, graph] of wanted) {
        const cached = options.constants && copies > 1 && !copiesWeights(options);
        const note = graph.given ?? (cached ? "its weights stay in caches" : "");
        const named = { ...(form !== "" && { form }), ...(note && { note }) };
        try {
          cases.push({ ...(await graphCase(ort, task, graph, { ...options, copies })), ...named });
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

/**
 * Weights in a model are copied with their session. Each has a pool of threads that spins after a call, in the way of the next
 * one's; of one thread there is none.
 */
const copiesWeights = ({ threads, device }: OrtOptions) => device !== "webgpu" && threads === 1;

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

async function graphCase(
  ort: Ort,
  task: Task,
  graph: OrtGraph,
  options: OrtOptions & { readonly copies: number },
): Promise<PeerCase> {
  if (options.constants && graph.weights.length === 0) throw new Unsupported(`${task.op} has no weights to prepack`);
  const constant = (name: string) => options.constants && graph.weights.includes(name);
  const session = await open(ort, graph, constant, options);
  const fed = Object.entries(graph.inputs).filter(([name]) => !constant(name));
  if (options.device === "webgpu") {
    const before = graph.before && (await open(ort, graph.before.graph, () => false, options, ON_HOST));
    return residentCase(ort, { session, before }, graph, { inputs: fed, copies: options.copies });
  }
  const sets = new InTurn({ session, feeds: tensors(ort, fed) });
  const weights = options.constants && copiesWeights(options);
  while (sets.all.length < options.copies) {
    const own = weights ? await open(ort, graph, constant, options) : session;
    sets.add({ session: own, feeds: tensors(ort, cloned(fed)) });
  }
  const fetches = tensors(
    ort,
    Object.entries(graph.outputs).map(([name, shape]) => [name, { shape, values: new Float32Array(sizeOf(shape)) }]),
  );
  const results = async () => {
    const found = await sets.first.session.run(sets.first.feeds, fetches);
    return Object.fromEntries(Object.keys(graph.outputs).map((name) => [name, found[name].data.slice()]));
  };
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) {
      const { session, feeds } = sets.next();
      await session.run(feeds, fetches);
    }
  };
  const release = async () => {
    for (const made of new Set(sets.all.map(({ session }) => session))) await made.release();
  };
  const copied = weights ? Object.entries(graph.inputs) : fed;
  return {
    contender: { time: (calls: number) => taking(() => run(calls)), release },
    results,
    copiedBytes: (options.copies - 1) * copied.reduce((sum, [, { values }]) => sum + values.byteLength, 0),
  };
}

const cloned = (inputs: Values): Values =>
  inputs.map(([name, { shape, values }]) => [name, { shape, values: values.slice() }]);

function open(
  ort: Ort,
  graph: OrtGraph,
  constant: (name: string) => boolean,
  { threads, device }: OrtOptions,
  placed: object = RESIDENT,
): Promise<Session> {
  const entries = Object.entries(graph.inputs);
  const model = onnxModel({
    nodes: graph.nodes,
    inputs: {
      ...Object.fromEntries(entries.filter(([name]) => !constant(name)).map(([name, { shape }]) => [name, { shape }])),
      ...graph.before?.inputs,
    },
    outputs: graph.outputs,
    ...(graph.opset && { opset: graph.opset }),
    constants: { ...graph.constants, ...Object.fromEntries(entries.filter(([name]) => constant(name))) },
  });
  return ort.InferenceSession.create(model, {
    ...(device === "webgpu" ? placed : { executionProviders: ["cpu"] }),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
}
