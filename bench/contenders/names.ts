/** What the benchmarks compare with, without what runs it: the command names these; index.ts opens them. */

export type PeerDevice = "reference" | "cpu" | "webgpu" | "cuda";

export interface PeerFacts {
  readonly what: string;
  /** Of ours: where it is compared. */
  readonly devices: readonly PeerDevice[];
  /** Storage types that it is given. */
  readonly dtypes: "f32" | "f32, bf16, f16";
  /** What its users may call it. */
  readonly also?: readonly string[];
}

const everywhere: readonly PeerDevice[] = ["reference", "cpu", "webgpu", "cuda"];
const all = "f32, bf16, f16";

export const PEERS = {
  ort: {
    what: "onnxruntime-node, every input fed; on webgpu its WebGPU provider, from and to buffers of the device",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
    also: ["onnx", "onnxruntime", "onnxruntime-node"],
  },
  "ort-const": {
    what: "the same with the weights in the model, repacked once",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
  },
  "ort-lists": {
    what: "ort given each expert's rows for nothing (mixtures only): less work than ours",
    devices: ["webgpu"],
    dtypes: "f32",
  },
  tfjs: {
    what: "TensorFlow.js: its WebAssembly backend on one thread, or its WebGPU backend",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
    also: ["tensorflow", "tensorflow.js", "tfjs-wasm"],
  },
  "tfjs-lists": {
    what: "tfjs given each expert's rows for nothing (mixtures only): less work than ours",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
  },
  "tfjs-node": {
    what: "TensorFlow.js on TensorFlow's own library",
    devices: ["cpu"],
    dtypes: "f32",
    also: ["tensorflow-node"],
  },
  jax: {
    what: "jax-js: its WebAssembly backend, or its WebGPU backend",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
    also: ["jax-js"],
  },
  "jax-lists": {
    what: "jax given each expert's rows for nothing (mixtures only): less work than ours",
    devices: ["cpu", "webgpu"],
    dtypes: "f32",
  },
  loops: {
    what: "plain TypeScript loops, blocked for the caches, on one thread",
    devices: ["reference", "cpu"],
    dtypes: "f32",
    also: ["plain", "typescript", "js"],
  },
  torch: {
    what: "PyTorch; a mixture by its grouped product",
    devices: ["cpu", "cuda"],
    dtypes: all,
    also: ["pytorch", "cublas", "cudnn", "sdpa", "peft"],
  },
  "torch-loop": { what: "PyTorch with a loop over experts (mixtures only)", devices: ["cpu", "cuda"], dtypes: all },
  transformers: {
    what: "the expert backends of Hugging Face's transformers, on PyTorch (mixtures only)",
    devices: ["cpu", "cuda"],
    dtypes: all,
    also: ["huggingface", "hf"],
  },
  frozen: {
    what: "our own linear layer without its adapter (LoRA only): less work",
    devices: everywhere,
    dtypes: all,
  },
  dense: {
    what: "our own two products with one expert's matrices (mixtures only): no routing",
    devices: everywhere,
    dtypes: all,
  },
} as const satisfies Record<string, PeerFacts>;

export type PeerName = keyof typeof PEERS;

export const peerNames = Object.keys(PEERS) as readonly PeerName[];

export const isPeer = (name: string): name is PeerName => Object.hasOwn(PEERS, name);

/** "cuda:1" and "cuda" are one. */
const kindOf = (device: string) => device.split(":")[0] as PeerDevice;

/** Those that are compared where ours runs on `device`. */
export const peersOn = (device: string): PeerName[] =>
  peerNames.filter((name) => (PEERS[name].devices as readonly PeerDevice[]).includes(kindOf(device)));

/** Why it is not compared with ours on this device or in this storage type; null where it is. */
export function notCompared(name: PeerName, device: string, dtype: string): string | null {
  const { devices, dtypes }: PeerFacts = PEERS[name];
  if (!devices.includes(kindOf(device))) return `it is compared on ${devices.join(" and ")}, not on ${kindOf(device)}`;
  return dtypes === "f32" && dtype !== "f32" ? "it computes in f32 here" : null;
}
