import type { Op } from "../../engine/dispatch/define-op.js";
import { attentionOp, attentionPackedOp } from "../../engine/ops/attention.js";
import { packedTable, sets, table } from "../../kernels/attention/cases.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import { BadShape, type ShapeForm } from "../shapes/parse.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, TRAINED, typed } from "./suite.js";

const isPacked = (c: OpCase) => "qkv" in c.inputs;

/** One query a sequence: nobody trains that. */
export const decodes = (c: OpCase) => !isPacked(c) && shapeOf(c.inputs.q)[1] === 1;

const WIDEST = 256;

/** L queries, S where absent; G key/value heads, H where absent. `:packed` reads one tensor [B, S, 3, H, D]. */
export const form: ShapeForm<OpCase> = {
  form: "B2H12S577D64 (also H32G8, L1S1024), with :causal or :packed behind it",
  pattern: /^B(?<B>\d+)H(?<H>\d+)(G(?<G>\d+))?(L(?<L>\d+))?S(?<S>\d+)D(?<D>\d+)(?<packed>:packed)?(?<causal>:causal)?$/,
  make({ B, H, G, L, S, D, packed, causal }) {
    const [b, h, s, d] = [Number(B), Number(H), Number(S), Number(D)];
    if (d > WIDEST) throw new BadShape(`heads are ${d} wide, of at most ${WIDEST}`);
    if (h % Number(G ?? 1) !== 0) throw new BadShape(`${H} heads cannot share ${G} of keys and values evenly`);
    if (packed && (L ?? S) !== S) throw new BadShape(`a packed tensor has as many queries as keys, not ${L}`);
    if (packed && (G ?? H) !== H)
      throw new BadShape(`a packed tensor has as many heads of keys as of queries, not ${G}`);
    const kv = [b, s, Number(G ?? H), d];
    const inputs: OpCase["inputs"] = packed ? { qkv: [b, s, 3, h, d] } : { q: [b, Number(L ?? S), h, d], k: kv, v: kv };
    return {
      name: `${L && L !== S ? `${L} queries, ` : ""}${S} keys, ${H} heads of ${D}`,
      inputs,
      ...(causal && { options: { causal: true } }),
    };
  },
};

function shapeText(c: OpCase): string {
  const causal = c.options?.causal ? ":causal" : "";
  if (isPacked(c)) {
    const [B, S, , H, D] = shapeOf(c.inputs.qkv);
    return `B${B}H${H}S${S}D${D}:packed${causal}`;
  }
  const [B, L, H, D] = shapeOf(c.inputs.q);
  const [, S, G] = shapeOf(c.inputs.k);
  return `B${B}H${H}${G === H ? "" : `G${G}`}${L === S ? "" : `L${L}`}S${S}D${D}${causal}`;
}

export const rows: OpRows = {
  suite: "attention",
  table,
  op: attentionOp as unknown as Op,
  shapeText,
  output: (c) => shapeOf(c.inputs.q),
  trained: ["q", "k", "v"],
  // Of each query the logarithm of its sum, and Σ dy y in the backward.
  kept: (c) => {
    const [B, L, H] = shapeOf(c.inputs.q);
    return 2 * B * L * H;
  },
};

const packed: OpRows = {
  ...rows,
  table: packedTable,
  op: attentionPackedOp as unknown as Op,
  output: (c) => {
    const [B, S, , H, D] = shapeOf(c.inputs.qkv);
    return [B, S, H, D];
  },
  trained: ["qkv"],
  kept: (c) => {
    const [B, S, , H] = shapeOf(c.inputs.qkv);
    return 2 * B * S * H;
  },
};

export const attention: Suite<OpCase> = {
  suite: "attention",
  forms: [form],
  sets,
  own: () => typed([...benched(table), ...benched(packedTable)]),
  passes: { own: (c) => (decodes(c) ? ["forward"] : TRAINED), possible: GRADIENTS },
  routed: false,
  task: (c, request) => opTask(isPacked(c) ? packed : rows, c, request),
};
