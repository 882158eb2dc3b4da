import type { Op } from "../../engine/dispatch/define-op.js";
import { attentionOp, attentionPackedOp } from "../../engine/ops/attention.js";
import { packedTable, table } from "../../kernels/attention/cases.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../inputs.js";
import type { Task } from "../task.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { parseShapes, type ShapeForm } from "./shapes.js";

const isPacked = (c: OpCase) => "qkv" in c.inputs;

/** L queries, S where absent; G key/value heads, H where absent. `:packed` reads one tensor [B, S, 3, H, D]. */
const form: ShapeForm<OpCase> = {
  suite: "attention",
  form: "B2H12S577D64 (also H32G8, L1S1024), with :causal or :packed behind it",
  pattern: /^B(?<B>\d+)H(?<H>\d+)(G(?<G>\d+))?(L(?<L>\d+))?S(?<S>\d+)D(?<D>\d+)(?<packed>:packed)?(?<causal>:causal)?$/,
  make({ B, H, G, L, S, D, packed, causal }) {
    const [b, h, s, d] = [Number(B), Number(H), Number(S), Number(D)];
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
    const [B, S, , H, D] = shapeOf(c, "qkv");
    return `B${B}H${H}S${S}D${D}:packed${causal}`;
  }
  const [B, L, H, D] = shapeOf(c, "q");
  const [, S, G] = shapeOf(c, "k");
  return `B${B}H${H}${G === H ? "" : `G${G}`}${L === S ? "" : `L${L}`}S${S}D${D}${causal}`;
}

const plain: OpRows = {
  suite: "attention",
  table,
  op: attentionOp as unknown as Op,
  shapeText,
  output: (c) => shapeOf(c, "q"),
  trained: ["q", "k", "v"],
};

const packed: OpRows = {
  ...plain,
  table: packedTable,
  op: attentionPackedOp as unknown as Op,
  output: (c) => {
    const [B, S, , H, D] = shapeOf(c, "qkv");
    return [B, S, H, D];
  },
  trained: ["qkv"],
};

export function attentionTasks(shapes?: string): Task[] {
  const cases = shapes === undefined ? [...benched(table), ...benched(packedTable)] : parseShapes(shapes, form);
  return cases.flatMap((c) => {
    const rows = isPacked(c) ? packed : plain;
    const forward = opTask(rows, c, "forward");
    // One query is decoding: nobody trains that.
    const decoding = !isPacked(c) && shapeOf(c, "q")[1] === 1;
    return decoding ? [forward] : [forward, opTask(rows, c, "forward+backward")];
  });
}
