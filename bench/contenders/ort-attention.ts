import type { OnnxNode } from "../onnx/model.js";
import { type HostTensor, type HostTensors, type Task, Unsupported } from "../task.js";
import type { OrtGraph } from "./ort-interface.js";

/** Queries, keys and their heads, of which several of the former may share one of the latter. */
interface Sizes {
  readonly L: number;
  readonly S: number;
  readonly H: number;
  readonly G: number;
  readonly causal: boolean;
}

/** An operator for heads side by side in the last dimension, and the opset that has it. */
interface Operator {
  node(sizes: Sizes): OnnxNode;
  readonly opset?: 23;
  /** Why it does not compute this. */
  refuses(sizes: Sizes): string | null;
}

const operands = { inputs: ["q", "k", "v"], outputs: ["y"] };

const OPERATORS: Readonly<Record<string, Operator>> = {
  /** Of com.microsoft. */
  MultiHeadAttention: {
    node: ({ H, causal }) => ({
      ...{ ...operands, op: "MultiHeadAttention", domain: "com.microsoft" },
      attributes: { num_heads: H, unidirectional: causal ? 1 : 0 },
    }),
    refuses: ({ H, G }) => (G === H ? null : "MultiHeadAttention has no grouped queries"),
  },
  /** ONNX's own. */
  Attention: {
    node: ({ H, G, causal }) => ({
      ...{ ...operands, op: "Attention" },
      attributes: { q_num_heads: H, kv_num_heads: G, is_causal: causal ? 1 : 0 },
    }),
    opset: 23,
    refuses: () => null,
  },
};

/** By operator; on webgpu, whose provider has no other in floats, by its own alone. Throws Unsupported where none computes it. */
export function attentionGraphs(task: Task, inputs: HostTensors, device: string): Record<string, OrtGraph> {
  const { sizes, graph } = task.op === "attentionPacked" ? packed(inputs) : separate(inputs);
  const { L, S } = sizes;
  if (task.options.causal && L !== S && L !== 1)
    throw new Unsupported("onnxruntime has no causal mask for queries that are the last of the keys");
  // The one query of decoding sees every key, which is no mask at all.
  const all = { ...sizes, causal: Boolean(task.options.causal) && L > 1 };
  const names = device === "webgpu" ? ["MultiHeadAttention"] : Object.keys(OPERATORS);
  const able = names.filter((name) => OPERATORS[name].refuses(all) === null);
  if (able.length === 0) throw new Unsupported(OPERATORS[names[0]].refuses(all) ?? "");
  return Object.fromEntries(
    able.map((name) => {
      const { node, opset } = OPERATORS[name];
      return [name, { ...graph, nodes: [...graph.nodes, node(all)], ...(opset && { opset }) }];
    }),
  );
}

const f32 = ({ values }: HostTensor, shape: readonly number[]) => ({ shape, values: values as Float32Array });

function separate({ q, k, v }: HostTensors) {
  const [B, L, H, D] = q.shape;
  const [, S, G] = k.shape;
  const queries = [B, L, H * D];
  const keys = [B, S, G * D];
  const graph: OrtGraph = {
    nodes: [],
    inputs: { q: f32(q, queries), k: f32(k, keys), v: f32(v, keys) },
    outputs: { y: queries },
    weights: [],
  };
  return { sizes: { L, S, H, G }, graph };
}

function packed({ qkv }: HostTensors) {
  const [B, L, , H, D] = qkv.shape;
  const graph: OrtGraph = {
    nodes: [{ op: "Split", inputs: ["qkv"], outputs: ["q", "k", "v"], attributes: { axis: 2, num_outputs: 3 } }],
    inputs: { qkv: f32(qkv, [B, L, 3 * H * D]) },
    outputs: { y: [B, L, H * D] },
    weights: [],
  };
  return { sizes: { L, S: L, H, G: H }, graph };
}
