import { taking } from "../clock.js";
import { onnxModel } from "../onnx/model.js";
import type { PeerCase } from "../task.js";
import { type Ort, type OrtGraph, type Session, tensors, type Values } from "./ort-interface.js";

const WEBGPU = { executionProviders: ["webgpu"] } as const;
/** Options of a session whose outputs the host gets, and of which nothing runs on the CPU unasked. */
export const ON_HOST = { ...WEBGPU, extra: { session: { disable_cpu_ep_fallback: "1" } } } as const;
/** Of one whose outputs stay on the GPU. */
export const RESIDENT = { ...ON_HOST, preferredOutputLocation: "gpu-buffer" } as const;

/** What runs the graph, and what comes before it where the graph says so. */
export interface Sessions {
  readonly session: Session;
  readonly before?: Session;
}

/**
 * A session on WebGPU from and to buffers of the device, as ours is timed: no call uploads or reads back, unless something
 * comes before it that the host must see. Models of one `Identity` move tensors, which both Node and pages can: to the device
 * once, from it for the comparison. One number moved from it ends a piece: it comes after all that was enqueued before.
 */
export async function residentCase(
  ort: Ort,
  { session, before }: Sessions,
  graph: OrtGraph,
  inputs: Values,
): Promise<PeerCase> {
  const sessions = before ? [session, before] : [session];
  const mover = async (shape: readonly number[], options: object) => {
    const nodes = [{ op: "Identity", inputs: ["x"], outputs: ["y"] }];
    const model = onnxModel({ nodes, inputs: { x: { shape } }, outputs: { y: shape }, constants: {} });
    const made = await ort.InferenceSession.create(model, { ...options, logSeverityLevel: 4 });
    sessions.push(made);
    return async (x: object) => (await made.run({ x })).y;
  };
  const upload = async (host: Values[number][1]) => {
    const move = await mover(host.shape, RESIDENT);
    return move(tensors(ort, [["x", host]]).x);
  };

  const uploaded: Record<string, Awaited<ReturnType<typeof upload>>> = {};
  for (const [name, host] of [...inputs, ...Object.entries(graph.before?.graph.inputs ?? {})])
    uploaded[name] ??= await upload(host);
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, uploaded[name]]));
  const fed = pick(inputs.map(([name]) => name));
  const first = pick(Object.keys(graph.before?.graph.inputs ?? {}));
  const feedsOf = async () => {
    if (!before || !graph.before) return fed;
    const found = Object.entries(await before.run(first)).map(([name, { data }]) => [name, data] as const);
    return { ...fed, ...tensors(ort, graph.before.feeds(Object.fromEntries(found))) };
  };
  const call = async () => session.run(await feedsOf());
  const one = await upload({ shape: [1], values: Float32Array.of(1) });
  const fetchOne = await mover([1], WEBGPU);

  const results: Record<string, Float32Array> = {};
  const found = await call();
  for (const [name, shape] of Object.entries(graph.outputs)) {
    const fetch = await mover(shape, WEBGPU);
    results[name] = (await fetch(found[name])).data.slice();
    found[name].dispose();
  }
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) for (const output of Object.values(await call())) output.dispose();
    await fetchOne(one);
  };
  const release = async () => {
    for (const tensor of [...Object.values(uploaded), one]) tensor.dispose();
    // After the tensors: a session owns the memory of what it gave, and onnxruntime-node ends the process otherwise.
    for (const made of sessions) await made.release();
  };
  return { contender: { time: (calls) => taking(() => run(calls)), release }, results };
}
