import type { Constant, OnnxGraph, OnnxInput } from "../onnx/model.js";
import type { HostTensor } from "../task.js";

/** A task as an ONNX graph: what is fed, what may be constant. */
export interface OrtGraph extends Omit<OnnxGraph, "inputs" | "constants"> {
  readonly inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;
  /** Inputs that a model may hold as weights. */
  readonly weights: readonly string[];
  /** What it holds in any case. */
  readonly constants?: Readonly<Record<string, Constant>>;
  /** What it is told that ours finds out: other work, which never counts as the same. */
  readonly given?: string;
  /** Runs before it in every call, and its results are read back: the host makes more inputs of them. */
  readonly before?: {
    readonly graph: OrtGraph;
    /** As the model declares those inputs. */
    readonly inputs: Readonly<Record<string, OnnxInput>>;
    feeds(results: Readonly<Record<string, Float32Array>>): Values;
  };
}

/** The part of onnxruntime's interface that is used here, the same in Node and in a page. */
export interface Ort {
  readonly Tensor: new (type: "float32" | "int32", values: HostTensor["values"], shape: readonly number[]) => object;
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

export type Values = readonly (readonly [string, HostTensor])[];

export const tensors = (ort: Ort, values: Values): Record<string, object> =>
  Object.fromEntries(
    values.map(([name, { shape, values }]) => {
      return [name, new ort.Tensor(values instanceof Int32Array ? "int32" : "float32", values, shape)];
    }),
  );
