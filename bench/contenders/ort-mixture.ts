import type { Constant, OnnxInput, OnnxNode } from "../onnx/model.js";
import type { HostTensor, HostTensors } from "../task.js";
import type { OrtGraph, Values } from "./ort-interface.js";
import { largestExperts, type RowsByExpert, rowsByExpert, weightsOf } from "./rows-by-expert.js";

/**
 * A mixture of experts as onnxruntime's own op, which its WebGPU provider has for integers only (QMoE), and as users of that
 * provider compose it: every expert for all tokens with the others' shares zero, or rows gathered by lists that the host makes
 * of the probabilities in every call. Forms that are given their lists are another peer's.
 */
export function mixtureGraphs(topK: number, inputs: HostTensors, device: string): Record<string, OrtGraph> {
  const own = { MoE: ownOp(topK, inputs) };
  return device === "webgpu" ? { ...own, ...composed(topK, inputs) } : own;
}

const f32 = ({ shape, values }: HostTensor) => ({ shape, values: values as Float32Array });

const logits: OnnxNode = {
  op: "Gemm",
  inputs: ["x", "router", "bias"],
  outputs: ["logits"],
  attributes: { transB: 1 },
};

/** MoE of com.microsoft, which wants gate and up rows in turn; alpha 1 and beta 0 make its SwiGLU the usual one. */
function ownOp(topK: number, { x, router, routerBias, up, down }: HostTensors): OrtGraph {
  const [E, rows, H] = up.shape;
  const turns = new Float32Array(up.values.length);
  for (let row = 0; row < E * rows; row++) {
    const e = Math.floor(row / rows);
    const i = row % rows;
    const to = e * rows + (i < rows / 2 ? 2 * i : 2 * i - rows + 1);
    turns.set(up.values.subarray(row * H, (row + 1) * H), to * H);
  }
  const attributes = {
    k: topK,
    activation_type: "swiglu",
    swiglu_fusion: 1,
    normalize_routing_weights: 1,
    activation_alpha: { float: 1 },
    activation_beta: { float: 0 },
  };
  const moe = ["x", "logits", "up", "", "down"];
  return {
    nodes: [logits, { op: "MoE", inputs: moe, outputs: ["y"], attributes, domain: "com.microsoft" }],
    inputs: {
      ...{ x: f32(x), router: f32(router), bias: f32(routerBias) },
      ...{ up: { shape: up.shape, values: turns }, down: f32(down) },
    },
    outputs: { y: x.shape },
    weights: ["router", "bias", "up", "down"],
  };
}

/** Weights [E, out, in] as [E, in, out]: what MatMul takes. */
function turned({ shape: [E, N, K], values }: HostTensor) {
  const result = new Float32Array(values.length);
  for (let e = 0; e < E; e++)
    for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) result[(e * K + k) * N + n] = values[(e * N + n) * K + k];
  return { shape: [E, K, N], values: result };
}

const part = ({ shape: [, ...shape], values }: ReturnType<typeof turned>, e: number) => {
  const size = shape[0] * shape[1];
  return { shape, values: values.subarray(e * size, (e + 1) * size) };
};

const axes = (...values: number[]): Constant => ({
  shape: [values.length],
  values: BigInt64Array.from(values, BigInt),
});

/** A gated expert, or with axis 2 all of them in batches: from `x` to `y`; names in between end in `mark`. */
function expert([x, up, down]: readonly string[], y: string, axis: number, mark = ""): OnnxNode[] {
  const [pre, gate, linear, s, silu, hidden] = ["pre", "gate", "linear", "sigmoid", "silu", "hidden"].map(
    (n) => n + mark,
  );
  return [
    { op: "MatMul", inputs: [x, up], outputs: [pre] },
    { op: "Split", inputs: [pre], outputs: [gate, linear], attributes: { axis, num_outputs: 2 } },
    { op: "Sigmoid", inputs: [gate], outputs: [s] },
    { op: "Mul", inputs: [gate, s], outputs: [silu] },
    { op: "Mul", inputs: [silu, linear], outputs: [hidden] },
    { op: "MatMul", inputs: [hidden, down], outputs: [y] },
  ];
}

/** `shares` [T, E], zero where not chosen: the largest one by one, each marked where it is. */
function sharesOf(topK: number): OnnxNode[] {
  const nodes: OnnxNode[] = [logits, { op: "Softmax", inputs: ["logits"], outputs: ["rest0"] }];
  let marks = "mark0";
  for (let k = 0; k < topK; k++) {
    nodes.push(
      { op: "ReduceMax", inputs: [`rest${k}`, "last"], outputs: [`max${k}`] },
      { op: "Equal", inputs: [`rest${k}`, `max${k}`], outputs: [`is${k}`] },
      { op: "Cast", inputs: [`is${k}`], outputs: [`mark${k}`], attributes: { to: 1 } },
      { op: "Sub", inputs: [`rest${k}`, `mark${k}`], outputs: [`rest${k + 1}`] },
    );
    if (k > 0) nodes.push({ op: "Add", inputs: [marks, `mark${k}`], outputs: [`marks${k}`] });
    if (k > 0) marks = `marks${k}`;
  }
  nodes.push(
    { op: "Mul", inputs: ["rest0", marks], outputs: ["kept"] },
    { op: "ReduceSum", inputs: ["kept", "last"], outputs: ["total"] },
    { op: "Div", inputs: ["kept", "total"], outputs: ["shares"] },
  );
  return nodes;
}

/** `weights` [T, K, 1] of the choice that is given. */
const WEIGHTS: readonly OnnxNode[] = [
  logits,
  { op: "Softmax", inputs: ["logits"], outputs: ["p"] },
  { op: "GatherElements", inputs: ["p", "chosen"], outputs: ["kept"], attributes: { axis: 1 } },
  { op: "ReduceSum", inputs: ["kept", "last"], outputs: ["total"] },
  { op: "Div", inputs: ["kept", "total"], outputs: ["normalised"] },
  { op: "Unsqueeze", inputs: ["normalised", "two"], outputs: ["weights"] },
];

/** From the results of the experts, and `back`, each choice's row of them, to `y`. */
const JOINED: readonly OnnxNode[] = [
  { op: "Mul", inputs: ["back", "weights"], outputs: ["weighted"] },
  { op: "ReduceSum", inputs: ["weighted", "one"], outputs: ["y"], attributes: { keepdims: 0 } },
];

const ints = (shape: readonly number[], values: Int32Array) => ({ shape, values });

/** Its rows are gathered by `rows0`, `rows1` and so on; `backRows` says where the rows of each choice went. */
const gatheredNodes = (experts: readonly number[]): OnnxNode[] => [
  ...experts.flatMap((e): OnnxNode[] => [
    { op: "Gather", inputs: ["x", `rows${e}`], outputs: [`x${e}`] },
    ...expert([`x${e}`, `up${e}`, `down${e}`], `result${e}`, 1, `:${e}`),
  ]),
  { op: "Concat", inputs: experts.map((e) => `result${e}`), outputs: ["results"], attributes: { axis: 0 } },
  { op: "Gather", inputs: ["results", "backRows"], outputs: ["back"] },
  ...JOINED,
];

/** The same in batches: `padded` [E, rows of the largest], `rows` the shape [E times that, H]. */
const paddedNodes: readonly OnnxNode[] = [
  { op: "Gather", inputs: ["x", "padded"], outputs: ["xs"] },
  ...expert(["xs", "up", "down"], "results", 2),
  { op: "Reshape", inputs: ["results", "rows"], outputs: ["flat"] },
  { op: "Gather", inputs: ["flat", "backRows"], outputs: ["back"] },
  ...JOINED,
];

function composed(topK: number, { x, router, routerBias, up, down, chosen }: HostTensors): Record<string, OrtGraph> {
  const [E, , H] = up.shape;
  const [T] = x.shape;
  const [ups, downs] = [turned(up), turned(down)];
  const routing = { x: f32(x), router: f32(router), bias: f32(routerBias) };
  const stacks = { up: ups, down: downs };
  const experts = Array.from({ length: E }, (_, e) => e);
  const single = Object.fromEntries(
    experts.flatMap((e) => [
      [`up${e}`, part(ups, e)],
      [`down${e}`, part(downs, e)],
    ]),
  );
  const lists = rowsByExpert(chosen, E);
  const common = { outputs: { y: x.shape }, weights: [] };
  const filled = experts.filter((e) => lists.rows[e].length > 0);
  const given = "each expert's rows are given for nothing";
  // Its provider has no NonZero or Compress, which lists could be made with: the host reads the probabilities and makes the lists.
  const routed = (inputs: Readonly<Record<string, OnnxInput>>, feeds: (lists: RowsByExpert) => Values) => ({
    graph: {
      nodes: [logits, { op: "Softmax", inputs: ["logits"], outputs: ["p"] }],
      inputs: routing,
      outputs: { p: [T, E] },
      weights: [],
    },
    inputs: { ...inputs, backRows: { shape: [T, topK], type: "int32" as const }, weights: { shape: [T, topK, 1] } },
    feeds({ p }: Readonly<Record<string, Float32Array>>) {
      const probabilities = { shape: [T, E], values: p };
      const choice = largestExperts(probabilities, topK);
      const weights = { shape: [T, topK, 1], values: weightsOf(probabilities, choice) };
      return [["weights", weights] as const, ...feeds(rowsByExpert(choice, E, 1))];
    },
  });
  return {
    "dense, batched": {
      ...common,
      nodes: [
        ...sharesOf(topK),
        ...expert(["x", "up", "down"], "results", 2),
        { op: "Transpose", inputs: ["shares"], outputs: ["byExpert"] },
        { op: "Unsqueeze", inputs: ["byExpert", "two"], outputs: ["shares3"] },
        { op: "Mul", inputs: ["results", "shares3"], outputs: ["weighted"] },
        { op: "ReduceSum", inputs: ["weighted", "zero"], outputs: ["y"], attributes: { keepdims: 0 } },
      ],
      inputs: { ...routing, ...stacks },
      constants: { last: axes(-1), two: axes(2), zero: axes(0) },
    },
    "dense, expert by expert": {
      ...common,
      nodes: [
        ...sharesOf(topK),
        {
          op: "Split",
          inputs: ["shares"],
          outputs: experts.map((e) => `share${e}`),
          attributes: { axis: 1, num_outputs: E },
        },
        ...experts.flatMap((e): OnnxNode[] => [
          ...expert(["x", `up${e}`, `down${e}`], `result${e}`, 1, `:${e}`),
          { op: "Mul", inputs: [`result${e}`, `share${e}`], outputs: [`sum${e === 0 ? 0 : `:${e}`}`] },
          ...(e > 0
            ? [{ op: "Add", inputs: [`sum${e - 1}`, `sum:${e}`], outputs: [e === E - 1 ? "y" : `sum${e}`] }]
            : []),
        ]),
        ...(E === 1 ? [{ op: "Identity", inputs: ["sum0"], outputs: ["y"] }] : []),
      ],
      inputs: { ...routing, ...single },
      constants: { last: axes(-1) },
    },
    "routed by the host, expert by expert": {
      ...common,
      nodes: gatheredNodes(experts),
      inputs: { x: f32(x), ...single },
      constants: { one: axes(1) },
      before: routed(
        Object.fromEntries(experts.map((e) => [`rows${e}`, { shape: [`R${e}`], type: "int32" }])),
        ({ rows, back }) => [
          ...rows.map((own, e) => [`rows${e}`, ints([own.length], own)] as const),
          ["backRows", ints([T, topK], back)],
        ],
      ),
    },
    "routed by the host, padded to the largest": {
      ...common,
      nodes: paddedNodes,
      inputs: { x: f32(x), ...stacks },
      constants: { one: axes(1), rows: axes(-1, H) },
      before: routed({ padded: { shape: [E, "most"], type: "int32" } }, ({ padded, most, paddedBack }) => [
        ["padded", ints([E, most], padded)],
        ["backRows", ints([T, topK], paddedBack)],
      ]),
    },
    "gathered, expert by expert": {
      ...common,
      given,
      nodes: [...WEIGHTS, ...gatheredNodes(filled)],
      inputs: {
        ...routing,
        ...Object.fromEntries(filled.flatMap((e) => [`up${e}`, `down${e}`].map((name) => [name, single[name]]))),
      },
      constants: {
        ...{ last: axes(-1), two: axes(2), one: axes(1) },
        ...{ chosen: ints([T, topK], chosen.values as Int32Array), backRows: ints([T, topK], lists.back) },
        ...Object.fromEntries(filled.map((e) => [`rows${e}`, ints([lists.rows[e].length], lists.rows[e])])),
      },
    },
    "gathered, padded to the largest": {
      ...common,
      given,
      nodes: [...WEIGHTS, ...paddedNodes],
      inputs: { ...routing, ...stacks },
      constants: {
        ...{ last: axes(-1), two: axes(2), one: axes(1), rows: axes(-1, H) },
        chosen: ints([T, topK], chosen.values as Int32Array),
        padded: ints([E, lists.most], lists.padded),
        backRows: ints([T, topK], lists.paddedBack),
      },
    },
  };
}
