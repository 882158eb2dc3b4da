import type { Op } from "../../engine/dispatch/define-op.js";
import { topKRoutingOp } from "../../engine/ops/top-k-routing.js";
import type { OpCase } from "../../kernels/case-table.js";
import { shapeOf } from "../../kernels/cost.js";
import type { Scoring } from "../../kernels/published-shapes.js";
import { routingCase, scorings, sets, table } from "../../kernels/top-k-routing/cases.js";
import { normals } from "../inputs.js";
import { BadShape, type ShapeForm } from "../shapes/parse.js";
import { chosenExperts, type Routing, routingName, sharesOf } from "../shapes/routing.js";
import type { HostTensors } from "../task.js";
import { checkExperts } from "./layer.js";
import { benched, type OpRows, opTask } from "./op-task.js";
import { GRADIENTS, type Suite, TRAINED, typed } from "./suite.js";

const others = Object.keys(scorings).filter((name) => name !== "normalized");

const form: ShapeForm<OpCase> = {
  form: `TxExk (4096x8x2), with one of ${others.map((name) => `:${name}`).join(", ")} behind it`,
  pattern: new RegExp(`^(?<T>\\d+)x(?<E>\\d+)x(?<k>\\d+)(:(?<scoring>${others.join("|")}))?$`),
  make({ T, E, k, scoring = "normalized" }) {
    checkExperts(Number(E), Number(k));
    const { groups } = scorings[scoring as Scoring] as { groups?: number };
    if (groups && Number(E) % groups !== 0) throw new BadShape(`${E} experts do not form ${groups} groups`);
    return routingCase(`${T} tokens, ${k} of ${E} experts`, [Number(T), Number(E), Number(k)], scoring as Scoring);
  },
};

function shapeText(c: OpCase): string {
  const [T, E] = shapeOf(c.inputs.logits);
  const { topK, ...scoring } = c.options as { topK: number };
  const same = (other: object) => JSON.stringify(other) === JSON.stringify(scoring);
  const name = Object.keys(scorings).find((key) => same(scorings[key as Scoring]));
  return `${T}x${E}x${topK}${name === "normalized" ? "" : `:${name}`}`;
}

/**
 * Logits whose k largest are as the routing says: normal values, those of the chosen above the others. The correction of
 * DeepSeek-V3's choice, and its groups, move some.
 */
function logits(c: OpCase, routing: Routing): HostTensors {
  const [T, E] = shapeOf(c.inputs.logits);
  const k = c.options?.topK as number;
  const { shape, values } = normals([T, E], 0);
  const chosen = chosenExperts(sharesOf(routing, E, k), T, k);
  for (let t = 0; t < T; t++) for (let i = 0; i < k; i++) values[t * E + chosen[t * k + i]] += 8;
  return { logits: { shape, values } };
}

/** The choice of experts and the lists of rows, from logits. */
export const routing: Suite<OpCase> = {
  suite: "routing",
  forms: [form],
  sets,
  own: () => typed(benched(table)),
  passes: { own: () => TRAINED, possible: GRADIENTS },
  routed: true,
  task(c, request) {
    const [T, E] = shapeOf(c.inputs.logits);
    const k = c.options?.topK as number;
    sharesOf(request.routing, E, k);
    const rows: OpRows = {
      suite: "routing",
      table,
      op: topKRoutingOp as unknown as Op,
      shapeText,
      output: () => [T, k],
      trained: ["logits"],
      given: () => logits(c, request.routing),
      f32: "all",
    };
    return { ...opTask(rows, c, request), routing: routingName(request.routing) };
  },
};
