import { checkRouting } from "../../engine/ops/top-k-routing.js";
import type { CaseTable } from "../../kernels/case-table.js";
import { ALL_FLOATS, type FloatDType } from "../../kernels/contract.js";
import { tables } from "../../kernels/grouped-gemm/cases.js";
import { expertsCase } from "../../kernels/grouped-gemm/sized-cases.js";
import { MIXTURES, type MixtureLayer } from "../../kernels/published-shapes.js";
import { prepareMixture, routerBias } from "../contenders/mixture.js";
import { normals } from "../inputs.js";
import { BadShape, type ShapeForm, type ShapeSets } from "../shapes/parse.js";
import { reached, routingName, sharesOf } from "../shapes/routing.js";
import type { HostTensor, HostTensors, Task } from "../task.js";
import { costOf, needsOf } from "./op-task.js";
import { type Request, trains } from "./suite.js";

/** Throws BadShape where E experts, k of a token, cannot be routed to. */
export function checkExperts(E: number, k: number): void {
  try {
    checkRouting("", E, { topK: k });
  } catch (error) {
    throw new BadShape((error as Error).message.replace(/^: |\.$/g, ""));
  }
}

export const form: ShapeForm<MixtureLayer> = {
  form:
    "T,d,n,E,k or TxdxnxExk (tokens, width, hidden width, experts, experts of a token; 512x256x704x4x2), with :gelu, :bias, :meta " +
    "behind it",
  pattern: /^(?<T>\d+)x(?<d>\d+)x(?<n>\d+)x(?<E>\d+)x(?<k>\d+)(?<gelu>:gelu)?(?<bias>:bias)?(?<meta>:meta)?$/,
  make({ T, d, n, E, k, gelu, bias, meta }) {
    checkExperts(Number(E), Number(k));
    return {
      ...{ T: Number(T), d: Number(d), n: Number(n), E: Number(E), k: Number(k) },
      ...{ activation: gelu ? "geluTanh" : "swiglu", bias: bias !== undefined, meta: meta !== undefined },
    };
  },
};

/** The layers of published mixtures; the size is the number of tokens. */
export const sets: ShapeSets<MixtureLayer> = Object.fromEntries(
  Object.entries(MIXTURES).map(([name, mixtures]) => [
    name,
    (tokens?: number) => mixtures.map((mixture) => ({ ...mixture, T: tokens ?? mixture.T })),
  ]),
);

const flags = ({ activation, bias, meta }: MixtureLayer) => [
  ...(activation === "geluTanh" ? ["gelu"] : []),
  ...(bias ? ["bias"] : []),
  ...(meta ? ["meta"] : []),
];

const experts = tables.find(({ op }) => op === "expertMlp") as CaseTable;

/** The expert that is always on: one, for every token. */
const metaCase = (layer: MixtureLayer) => expertsCase("meta", { ...layer, E: 1, k: 1 });

/** The work of the experts that are reached, by their table; the router's is small beside it, and counts as none. */
function cost(layer: MixtureLayer, busy: number, request: Pick<Request, "pass" | "dtype">) {
  const parts = [expertsCase("experts", layer, busy), ...(layer.meta ? [metaCase(layer)] : [])];
  const costs = parts.map((c) => costOf(experts, c, request));
  const sum = (key: "flops" | "bytes") =>
    costs.reduce<number | null>((n, part) => (n === null || part[key] === null ? null : n + part[key]), 0);
  return { flops: sum("flops"), bytes: sum("bytes") };
}

type Shapes = Readonly<Record<string, { readonly shape: readonly number[]; readonly scale?: number }>>;

/** Everything but the router's bias, which the routing decides. */
function shapesOf({ T, d, n, E, activation, bias, meta }: MixtureLayer): Shapes {
  const gated = activation === "swiglu";
  const by = (size: number) => 1 / Math.sqrt(size);
  return {
    x: { shape: [T, d] },
    router: { shape: [E, d], scale: by(d) },
    up: { shape: [E, gated ? 2 * n : n, d], scale: by(d) },
    down: { shape: [E, d, n], scale: by(n) },
    ...(bias && { upBias: { shape: [E, gated ? 2 * n : n] }, downBias: { shape: [E, d] } }),
    ...(meta && {
      ...(gated && { metaGate: { shape: [n, d], scale: by(d) } }),
      metaUp: { shape: [n, d], scale: by(d) },
      metaDown: { shape: [d, n], scale: by(n) },
      ...(bias && { metaUpBias: { shape: [n] }, metaDownBias: { shape: [d] } }),
    }),
  };
}

/** As the layer runs them: rows of experts before and after the activation, and behind the second product. */
function needs(layer: MixtureLayer, { pass, dtype }: Pick<Request, "pass" | "dtype">) {
  const { T, d, n, E, k, activation, meta } = layer;
  const shapes = shapesOf(layer);
  const of = (shape: readonly number[], type: FloatDType = dtype) => [shape, type] as const;
  const inputs = Object.entries(shapes).map(([name, { shape }]) => of(shape, name === "router" ? "f32" : dtype));
  const N = activation === "swiglu" ? 2 * n : n;
  const rows = [of([T * k, n]), of([T * k, d]), ...(meta ? [of([T, N]), of([T, n])] : [])];
  const kept = [of([T * k, N]), of([T * k, N]), of([T * k, d])];
  const y = of([T, d]);
  const others = [...rows, y, of([T, E], "f32")];
  return trains(pass) ? needsOf([...inputs, y], [...others, ...inputs, ...kept]) : needsOf(inputs, others);
}

/**
 * A mixture from its router to its sum: linear router, weights normalised to 1 over a token's experts, SwiGLU experts without
 * biases unless the layer says otherwise. Layers that Mixtral's form does not have are other operations to peers.
 */
export function layerTask(suite: Task["suite"], layer: MixtureLayer, { pass, dtype, routing }: Request): Task {
  const { T, d, n, E, k, activation } = layer;
  const variant = flags(layer);
  const shares = sharesOf(routing, E, k);
  const shapes = shapesOf(layer);
  const options = { topK: k, ...(variant.length > 0 && { activation }) };
  const trained = trains(pass) ? Object.keys(shapes) : [];
  const kind = routingName(routing);
  return {
    suite,
    op: ["mixtureOfExperts", ...variant].join("+"),
    pass,
    name: `${T} tokens, ${k} of ${E} experts of ${d} × ${n}, ${kind === "file" ? "spread as counted" : kind}`,
    shape: [`${T}x${d}x${n}x${E}x${k}`, ...variant].join(":"),
    routing: kind,
    options,
    trained,
    ...cost(layer, reached(shares, T, k), { pass, dtype }),
    needs: needs(layer, { pass, dtype }),
    // Sums of up to 5,632 products through two layers.
    tolerance: 1e-5,
    dtypes: ALL_FLOATS,
    prepare: async (device, dtype) => {
      const drawn = Object.entries(shapes).map(
        ([name, { shape, scale }], i) => [name, normals(shape, i, scale)] as const,
      );
      const host: Record<string, HostTensor> = Object.fromEntries(drawn);
      const { x, router, ...rest } = host;
      const bias = await routerBias(device, { x: sampleOf(d), router }, shares, k);
      const inputs: HostTensors = {
        ...{ x, router, routerBias: bias },
        ...rest,
        ...(trains(pass) && { dy: normals([T, d], drawn.length) }),
      };
      return prepareMixture(device, { options, trained, pass }, inputs, dtype);
    },
  };
}

const SAMPLE = 2048;

/** Tokens that the router is balanced on: x is the first of them, or they are the first of x. */
const sampleOf = (d: number) => normals([SAMPLE, d], 0);
