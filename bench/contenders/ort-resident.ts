import { taking } from "../clock.js";
import { onnxModel } from "../onnx/model.js";
import type { PeerCase } from "../task.js";
import { type Ort, type OrtGraph, type Session, tensors, type Values } from "./ort-interface.js";

const WEBGPU = { executionProviders: ["webgpu"] } as const;
/** Options of a session whose outputs stay on the GPU, and of which nothing runs on the CPU unasked. */
export const RESIDENT = {
  ...WEBGPU,
  preferredOutputLocation: "gpu-buffer",
  extra: { session: { disable_cpu_ep_fallback: "1" } },
} as const;

/**
 * A session on WebGPU from and to buffers of the device, as ours is timed: no call uploads or reads back. Models of one
 * `Identity` move tensors, which both Node and pages can: to the device once, from it for the comparison. One number moved
 * from it ends a piece: it comes after all that was enqueued before.
 */
export async function residentCase(ort: Ort, session: Session, graph: OrtGraph, inputs: Values): Promise<PeerCase> {
  const sessions = [session];
  const mover = async (shape: readonly number[], options: object) => {
    const nodes = [{ op: "Identity", inputs: ["x"], outputs: ["y"] }];
    const model = onnxModel({ nodes, inputs: { x: shape }, outputs: { y: shape }, constants: {} });
    const made = await ort.InferenceSession.create(model, { ...options, logSeverityLevel: 4 });
    sessions.push(made);
    return async (x: object) => (await made.run({ x })).y;
  };
  const upload = async (host: Values[number][1]) => {
    const move = await mover(host.shape, RESIDENT);
    return move(tensors(ort, [["x", host]]).x);
  };

  const feeds: Record<string, Awaited<ReturnType<typeof upload>>> = {};
  for (const [name, host] of inputs) feeds[name] = await upload(host);
  const one = await upload({ shape: [1], values: Float32Array.of(1) });
  const fetchOne = await mover([1], WEBGPU);

  const results: Record<string, Float32Array> = {};
  const first = await session.run(feeds);
  for (const [name, shape] of Object.entries(graph.outputs)) {
    const fetch = await mover(shape, WEBGPU);
    results[name] = (await fetch(first[name])).data.slice();
    first[name].dispose();
  }
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) for (const output of Object.values(await session.run(feeds))) output.dispose();
    await fetchOne(one);
  };
  const release = async () => {
    for (const tensor of [...Object.values(feeds), one]) tensor.dispose();
    // After the tensors: a session owns the memory of what it gave, and onnxruntime-node ends the process otherwise.
    for (const made of sessions) await made.release();
  };
  return { contender: { time: (calls) => taking(() => run(calls)), release }, results };
}
