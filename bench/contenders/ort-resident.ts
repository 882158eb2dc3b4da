import { onnxModel } from "../onnx/model.js";
import { taking } from "../row/clock.js";
import { InTurn } from "../row/in-turn.js";
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
  { inputs, copies }: { readonly inputs: Values; readonly copies: number },
): Promise<PeerCase> {
  const sessions = before ? [session, before] : [session];
  const mover = async (shape: readonly number[], options: object) => {
    const nodes = [{ op: "Identity", inputs: ["x"], outputs: ["y"] }];
    const model = onnxModel({ nodes, inputs: { x: { shape } }, outputs: { y: shape }, constants: {} });
    const made = await ort.InferenceSession.create(model, { ...options, logSeverityLevel: 4 });
    sessions.push(made);
    return async (x: object) => (await made.run({ x })).y;
  };
  const uploader = async (host: Values[number][1]) => {
    const move = await mover(host.shape, RESIDENT);
    return () => move(tensors(ort, [["x", host]]).x);
  };
  type Uploaded = Record<string, Awaited<ReturnType<Awaited<ReturnType<typeof uploader>>>>>;

  const all = Object.entries({ ...graph.before?.graph.inputs, ...Object.fromEntries(inputs) });
  const uploaded: Uploaded[] = Array.from({ length: copies }, () => ({}));
  for (const [name, host] of all) {
    const upload = await uploader(host);
    for (const set of uploaded) set[name] = await upload();
  }
  const [firstSet, ...others] = uploaded;
  const sets = new InTurn(firstSet, ...others);
  const pick = (set: Uploaded, names: readonly string[]) => Object.fromEntries(names.map((name) => [name, set[name]]));
  const names = inputs.map(([name]) => name);
  const namesBefore = Object.keys(graph.before?.graph.inputs ?? {});
  const feedsOf = async (set: Uploaded) => {
    const fed = pick(set, names);
    if (!before || !graph.before) return fed;
    const results = await before.run(pick(set, namesBefore));
    const found = Object.entries(results).map(([name, { data }]) => [name, data] as const);
    return { ...fed, ...tensors(ort, graph.before.feeds(Object.fromEntries(found))) };
  };
  const call = async (set: Uploaded) => session.run(await feedsOf(set));
  const one = await (await uploader({ shape: [1], values: Float32Array.of(1) }))();
  const fetchOne = await mover([1], WEBGPU);

  const fetches: Record<string, Awaited<ReturnType<typeof mover>>> = {};
  for (const [name, shape] of Object.entries(graph.outputs)) fetches[name] = await mover(shape, WEBGPU);
  const results = async () => {
    const values: Record<string, Float32Array> = {};
    const found = await call(sets.first);
    for (const [name, fetch] of Object.entries(fetches)) {
      values[name] = (await fetch(found[name])).data.slice();
      found[name].dispose();
    }
    return values;
  };
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) for (const output of Object.values(await call(sets.next()))) output.dispose();
    await fetchOne(one);
  };
  const release = async () => {
    for (const tensor of [...sets.all.flatMap((set) => Object.values(set)), one]) tensor.dispose();
    // After the tensors: a session owns the memory of what it gave, and onnxruntime-node ends the process otherwise.
    for (const made of sessions) await made.release();
  };
  return { contender: { time: (calls) => taking(() => run(calls)), release }, results };
}
