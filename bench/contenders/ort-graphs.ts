import type { OnnxNode } from "../onnx/model.js";
import { type HostTensor, type HostTensors, type Task, Unsupported } from "../task.js";
import { attentionGraphs } from "./ort-attention.js";
import type { OrtGraph } from "./ort-interface.js";
import { mixtureGraphs } from "./ort-mixture.js";

/** The graphs that compute the task, by the name of the form where there are several. */
export function graphsOf(task: Task, inputs: HostTensors, device: string): Readonly<Record<string, OrtGraph>> {
  if (task.pass !== "forward") throw new Unsupported("onnxruntime-node runs the forward only");
  if (task.op === "mixtureOfExperts") return mixtureGraphs(task.options.topK as number, inputs, device);
  if (task.op === "attention" || task.op === "attentionPacked") return attentionGraphs(task, inputs, device);
  const build = graphs[task.op];
  if (!build) throw new Unsupported(`there is no ONNX graph of ${task.op}`);
  return { "": build(task.options, inputs) };
}

type Options = Readonly<Record<string, unknown>>;
type Build = (options: Options, inputs: HostTensors) => OrtGraph;

const f32 = ({ shape, values }: HostTensor, as: readonly number[] = shape) => ({
  shape: as,
  values: values as Float32Array,
});
const f32s = (inputs: HostTensors) => Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, f32(t)]));

const matmul: Build = ({ transposeB, activation }, inputs) => {
  const { a, b, bias } = inputs;
  const [M] = a.shape;
  const N = b.shape[transposeB ? 0 : 1];
  const product = activation ? "product" : "y";
  const nodes: OnnxNode[] = [
    transposeB || bias
      ? {
          op: "Gemm",
          inputs: bias ? ["a", "b", "bias"] : ["a", "b"],
          outputs: [product],
          attributes: { transB: transposeB ? 1 : 0 },
        }
      : { op: "MatMul", inputs: ["a", "b"], outputs: [product] },
  ];
  if (activation === "gelu") nodes.push({ op: "Gelu", inputs: [product], outputs: ["y"] });
  else if (activation) throw new Unsupported(`there is no ONNX graph of matmul with ${activation}`);
  return { nodes, inputs: f32s(inputs), outputs: { y: [M, N] }, weights: ["b", "bias"] };
};

/** Three products; the last adds itself to the base layer. */
const loraMatmul: Build = ({ scale, dropout }, inputs) => {
  if (dropout) throw new Unsupported("dropout is for training, which onnxruntime-node has not");
  const { x, weight } = inputs;
  const attributes = { transB: 1 };
  return {
    nodes: [
      { op: "Gemm", inputs: ["x", "weight", "bias"], outputs: ["base"], attributes },
      { op: "Gemm", inputs: ["x", "a"], outputs: ["h"], attributes },
      {
        op: "Gemm",
        inputs: ["h", "b", "base"],
        outputs: ["y"],
        attributes: { ...attributes, alpha: { float: scale as number } },
      },
    ],
    inputs: f32s(inputs),
    outputs: { y: [x.shape[0], weight.shape[0]] },
    weights: ["weight", "a", "b", "bias"],
  };
};

/** Each expert's rows by its matrix; lists as `topKRouting` makes them: offsets [E + 1], counts [E], order [TK]. */
const groupedGemm: Build = ({ gather = null, transposed = true }, { x, weight, bias, lists }) => {
  const [E, ...sizes] = weight.shape;
  const N = sizes[transposed ? 0 : 1];
  const offsets = lists.values.subarray(0, E + 1);
  const order = lists.values.subarray(2 * E + 1);
  const filled = Array.from({ length: E }, (_, e) => e).filter((e) => offsets[e + 1] > offsets[e]);
  const counts = filled.map((e) => offsets[e + 1] - offsets[e]);
  const rows = ([from, count]: readonly [number, number]) => ({
    shape: [count],
    values: Int32Array.from({ length: count }, (_, i) => Math.floor(order[from + i] / (gather as number))),
  });
  const split: OnnxNode = { op: "Split", inputs: ["x", "counts"], outputs: filled.map((e) => `x${e}`) };
  const part = (values: HostTensor["values"], e: number, shape: readonly number[]) =>
    f32({ shape, values: values.subarray((e * values.length) / E, ((e + 1) * values.length) / E) });
  return {
    nodes: [
      ...(gather === null ? [split] : []),
      ...filled.flatMap((e): OnnxNode[] => [
        ...(gather === null ? [] : [{ op: "Gather", inputs: ["x", `rows${e}`], outputs: [`x${e}`] }]),
        {
          op: "Gemm",
          inputs: [`x${e}`, `weight${e}`, ...(bias ? [`bias${e}`] : [])],
          outputs: [`y${e}`],
          attributes: { transB: transposed ? 1 : 0 },
        },
      ]),
      { op: "Concat", inputs: filled.map((e) => `y${e}`), outputs: ["y"], attributes: { axis: 0 } },
    ],
    inputs: {
      x: f32(x),
      ...Object.fromEntries(
        filled.flatMap((e) => [
          [`weight${e}`, part(weight.values, e, sizes)],
          ...(bias ? [[`bias${e}`, part(bias.values, e, [N])]] : []),
        ]),
      ),
    },
    constants:
      gather === null
        ? { counts: { shape: [filled.length], values: BigInt64Array.from(counts, BigInt) } }
        : Object.fromEntries(filled.map((e, i) => [`rows${e}`, rows([offsets[e], counts[i]])])),
    outputs: { y: [offsets[E], N] },
    weights: filled.flatMap((e) => [`weight${e}`, `bias${e}`]),
  };
};

const layerNorm: Build = ({ eps }, inputs) => ({
  nodes: [
    {
      op: "LayerNormalization",
      inputs: ["x", "weight", "bias"],
      outputs: ["y"],
      attributes: { axis: inputs.x.shape.length - 1, epsilon: { float: eps as number } },
    },
  ],
  inputs: f32s(inputs),
  outputs: { y: inputs.x.shape },
  weights: ["weight", "bias"],
});

const graphs: Readonly<Record<string, Build>> = {
  matmul,
  loraMatmul,
  groupedGemm,
  layerNorm,
};
