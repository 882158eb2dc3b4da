/** Experts of two products, with the same samples as one. */
import type { OpCase } from "../case-table.js";
import { ALL_FLOATS } from "../contract.js";
import { allOn, inTurn, listsOf, type Sample, scattered, weightsOf } from "../top-k-routing/sample.js";
import { EXPERT_ACTIVATIONS, type ExpertActivation } from "./activation.js";
import { stack } from "./stack.js";

interface Mlp {
  readonly C: number;
  readonly hidden: number;
  readonly activation: ExpertActivation;
  readonly bias?: boolean;
  readonly transposed?: boolean;
}

const mlp = (name: string, sample: Sample, m: Mlp, extra: Partial<OpCase> = {}): OpCase => {
  const { C, hidden, activation, bias = false, transposed = true } = m;
  const N = EXPERT_ACTIVATIONS[activation].gated ? 2 * hidden : hidden;
  const { E, T } = sample;
  return {
    name,
    inputs: {
      x: [T, C],
      weights: weightsOf(sample),
      lists: listsOf(sample),
      up: stack(E, N, C, transposed),
      ...(bias && { upBias: [E, N] }),
      down: stack(E, C, hidden, transposed),
      ...(bias && { downBias: [E, C] }),
    },
    options: { activation, transposed },
    ...extra,
  };
};

const swiglu = { activation: "swiglu" } as const;
export const mlps: OpCase[] = [
  mlp("no token: gradients of zeros", inTurn(3, 0, 2), { C: 8, hidden: 6, bias: true, ...swiglu }),
  mlp("one token, one expert", inTurn(1, 1, 1), { C: 8, hidden: 6, bias: true, ...swiglu }, { dtypes: ALL_FLOATS }),
  mlp("one token of eight experts", inTurn(8, 1, 2), { C: 12, hidden: 10, ...swiglu }),
  mlp("all tokens on one expert", allOn(1, 4, 37, 1), { C: 20, hidden: 24, ...swiglu }, { dtypes: ALL_FLOATS }),
  mlp("every expert of a token", inTurn(3, 11, 3), { C: 9, hidden: 14, bias: true, activation: "geluTanh" }),
  mlp("tails everywhere, swiglu", scattered(5, 43, 2), { C: 65, hidden: 35, ...swiglu }, { dtypes: ALL_FLOATS }),
  mlp(
    "tails everywhere, gelu with biases",
    scattered(5, 43, 2),
    { C: 33, hidden: 67, bias: true, activation: "gelu" },
    { dtypes: ALL_FLOATS },
  ),
  mlp("swiglu with biases", scattered(4, 19, 2), { C: 17, hidden: 21, bias: true, ...swiglu }),
  mlp("geglu", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "geglu" }),
  mlp("gegluTanh", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "gegluTanh" }),
  mlp("reglu", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "reglu" }),
  mlp("relu with biases", scattered(4, 19, 1), { C: 16, hidden: 12, bias: true, activation: "relu" }),
  mlp("silu", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "silu" }),
  mlp("tanh", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "tanh" }),
  mlp("quickGelu", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "quickGelu" }),
  mlp("no activation", scattered(4, 19, 2), { C: 16, hidden: 12, bias: true, activation: "none" }),
  mlp(
    "dropped choices, of one token both",
    { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 || i < 2 },
    { C: 18, hidden: 20, bias: true, ...swiglu },
  ),
  mlp("everything dropped", { ...inTurn(4, 9, 2), dropped: () => true }, { C: 8, hidden: 10, bias: true, ...swiglu }),
  mlp(
    "weights [E, in, out]",
    scattered(4, 29, 2),
    { C: 24, hidden: 37, bias: true, transposed: false, ...swiglu },
    {
      dtypes: ALL_FLOATS,
    },
  ),
  mlp("512 experts, 16 of a token", scattered(512, 12, 16), { C: 6, hidden: 4, ...swiglu }),
  mlp("Med-MoE on StableLM, a sixteenth as wide", scattered(4, 200, 1), { C: 128, hidden: 352, ...swiglu }),
  mlp(
    "Med-MoE on StableLM, an eighth as wide, two experts",
    scattered(4, 512, 2),
    { C: 256, hidden: 704, ...swiglu },
    {
      bench: true,
    },
  ),
  mlp(
    "all tokens on one expert, an eighth as wide",
    allOn(2, 4, 1024, 1),
    { C: 256, hidden: 704, ...swiglu },
    {
      bench: true,
    },
  ),
  mlp(
    "Med-MoE on Phi-2, an eighth as wide",
    scattered(4, 256, 1),
    { C: 320, hidden: 1280, bias: true, activation: "geluTanh" },
    { bench: true },
  ),
  mlp("OLMoE, an eighth as wide", scattered(64, 256, 8), { C: 256, hidden: 128, ...swiglu }, { bench: true }),
  mlp("Qwen3-30B-A3B, an eighth as wide", scattered(128, 128, 8), { C: 256, hidden: 96, ...swiglu }, { bench: true }),
];
