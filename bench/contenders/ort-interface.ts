import type { Constant, OnnxGraph } from "../onnx/model.js";

/** A task as an ONNX graph: what is fed, what may be constant. */
export interface OrtGraph extends Omit<OnnxGraph, "inputs" | "constants"> {
  readonly inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;
  /** Inputs that a model may hold as weights. */
  readonly weights: readonly string[];
  /** What it holds in any case. */
  readonly constants?: Readonly<Record<string, Constant>>;
}

/** The part of onnxruntime's interface that is used here, the same in Node and in a page. */
export interface Ort {
  readonly Tensor: new (type: "float32", values: Float32Array, shape: readonly number[]) => object;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<Session>;
  };
  readonly env: { readonly versions: { readonly node?: string; readonly web?: string; readonly common: string } };
}
interface OrtTensor {
  readonly data: Float32Array;
  dispose(): void;
}
export interface Session {
  run(
    feeds: Readonly<Record<string, object>>,
    fetches?: Readonly<Record<string, object>>,
  ): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

export type Values = readonly (readonly [
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array },
])[];

export const tensors = (ort: Ort, values: Values): Record<string, object> =>
  Object.fromEntries(values.map(([name, t]) => [name, new ort.Tensor("float32", t.values, t.shape)]));
