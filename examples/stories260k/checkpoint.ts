import { type Device, nn } from "consilium";
import { Llama, type LlamaConfig } from "./model.js";

/** Parameters in the order of the file: each kind for all layers, then the next kind. */
const LAYER_PARTS = [
  "attention_norm",
  "attention.wq",
  "attention.wk",
  "attention.wv",
  "attention.wo",
  "ffn_norm",
  "feed_forward.w1",
  "feed_forward.w2",
  "feed_forward.w3",
] as const;

const HEADER_BYTES = 7 * 4;

/**
 * A model of llama2.c's first .bin format: seven little-endian int32 (width, hidden, layers, heads, key/value heads,
 * vocabulary, positions), then float32 matrices [out, in]. A negative vocabulary would mean an output layer of its own.
 */
export function loadLlama(file: Uint8Array, device: Device): Llama {
  // A copy: within a larger buffer the values may start where no Float32Array can.
  const bytes = new Uint8Array(file).buffer;
  if (bytes.byteLength < HEADER_BYTES) throw new Error(`llama2.c model: ${bytes.byteLength} bytes hold no header.`);
  const [width, hidden, layers, heads, keyValueHeads, vocabulary, positions] = new Int32Array(bytes, 0, 7);
  if (vocabulary <= 0) throw new Error("llama2.c model: an output layer of its own is not supported, only a tied one.");
  const config: LlamaConfig = { width, hidden, layers, heads, keyValueHeads, vocabulary, positions };
  const model = new Llama(new nn.Initializer(device), config).requiresGrad(false).eval();
  try {
    model.loadState(readState(model, new Float32Array(bytes, HEADER_BYTES)));
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** What follows the last parameter, tables of sines and cosines, is computed by the model. */
function readState(model: Llama, values: Float32Array) {
  const shapes = new Map([...model.namedParameters()].map(([name, p]) => [name, p.shape]));
  const state = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  let at = 0;
  for (const name of fileOrder(model.config.layers)) {
    const shape = shapes.get(name) as readonly number[];
    const size = shape.reduce((product, d) => product * d, 1);
    if (at + size > values.length) throw new Error(`llama2.c model: the file ends inside ${name}.`);
    state.set(name, { shape, values: values.subarray(at, at + size) });
    at += size;
  }
  return state;
}

function fileOrder(layers: number): string[] {
  const inLayers = LAYER_PARTS.flatMap((part) =>
    Array.from({ length: layers }, (_, i) => `layers.${i}.${part}.weight`),
  );
  return ["tok_embeddings.weight", ...inLayers, "norm.weight"];
}
