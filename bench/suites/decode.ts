import { attention as attentionCase, table as attentionTable } from "../../kernels/attention/cases.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { linearCase, table as matmulTable } from "../../kernels/matmul/cases.js";
import { MIXTURES, type MixtureLayer } from "../../kernels/published-shapes.js";
import { BadShape, type ShapeForm, type ShapeSets } from "../shapes/parse.js";
import * as attention from "./attention.js";
import * as layer from "./layer.js";
import * as matmul from "./matmul.js";
import { benched, opTask } from "./op-task.js";
import { type Suite, typed } from "./suite.js";

/** Attention over a cache, a product of few rows, or a mixture of few tokens. */
type Decoded = OpCase | MixtureLayer;

const isLayer = (shape: Decoded): shape is MixtureLayer => "d" in shape;

/** Rows of experts, T k, up to which a step is one of decoding. */
const MOST_ROWS = 64;

function checked(shape: Decoded): Decoded {
  if (isLayer(shape)) {
    const { T, k } = shape;
    if (T * k > MOST_ROWS)
      throw new BadShape(`${T} tokens of ${k} experts are more than ${MOST_ROWS} rows: see the suite moe`);
  } else if ("q" in shape.inputs) {
    if (!attention.decodes(shape)) throw new BadShape("decoding has one query, L1: see the suite attention");
  } else if ("a" in shape.inputs) {
    const [M] = shapeOf(shape.inputs.a);
    if (M > MOST_ROWS) throw new BadShape(`${M} rows are more than ${MOST_ROWS}: see the suite matmul`);
  } else throw new BadShape("decoding reads keys and values from a cache, not packed");
  return shape;
}

const forms = [attention.form, matmul.form, layer.form].map(
  ({ form, pattern, make }: ShapeForm<Decoded>): ShapeForm<Decoded> => ({
    form,
    pattern,
    make: (groups) => checked(make(groups)),
  }),
);

/** A token of each of `count` sequences through a layer: its attention, whose products are of as many rows, and its experts. */
function decodeStep(name: string, count: number): Decoded[] {
  const [{ attention: heads, context: S, d }] = MIXTURES[name];
  const mixtures = MIXTURES[name].map((mixture) => checked({ ...mixture, T: count }));
  if (!heads) return mixtures;
  const { heads: H, keyValueHeads: G, headWidth: D } = heads;
  return [
    attentionCase(`${name}: ${S} keys`, { B: count, L: 1, S, H, G, D }),
    linearCase(`${name}: qkv`, [count, d, (H + 2 * G) * D]),
    linearCase(`${name}: proj`, [count, H * D, d]),
    ...mixtures,
  ];
}

/** The size is the number of sequences that are decoded at once. */
const sets: ShapeSets<Decoded> = Object.fromEntries(
  Object.keys(MIXTURES).map((name) => [name, (sequences = 1) => decodeStep(name, sequences)]),
);

/** A token, or a few: what a model does for each of its words. */
export const decode: Suite<Decoded> = {
  suite: "decode",
  forms,
  sets,
  own: () => [
    ...typed<Decoded>(benched(attentionTable).filter(attention.decodes)),
    ...typed<Decoded>(benched(matmulTable).filter((c) => shapeOf(c.inputs.a)[0] === 1)),
    ...["med-moe-stablelm-k2-mini", "olmoe-mini"].map((set) => ({
      shape: { ...MIXTURES[set][0], T: 1 },
      set,
    })),
  ],
  passes: { own: () => ["forward"], possible: ["forward"] },
  routed: true,
  task(shape, request) {
    if (isLayer(shape)) return layer.layerTask("decode", shape, request);
    const rows = "q" in shape.inputs ? attention.rows : matmul.rows;
    return opTask({ ...rows, suite: "decode" }, shape, request);
  },
};
