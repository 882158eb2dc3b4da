import { figure, numbers } from "../../apps/report/figure.js";
import { html, type Markup } from "../../apps/report/html.js";
import type { Ceiling, Roofline } from "../document.js";
import { flopsPerSecond } from "../row/roofline.js";
import { legend, logScale, logTicks, type Mark, marked, pc, px, xAxis, yAxis } from "./plot.js";
import { percent, roundSi, runs, si, time } from "./quantities.js";
import { anchor, conditionOf, labelOf, type NumberedRow } from "./rows.js";

const HEIGHT = 420;
const TOP = 24;
const BOTTOM = HEIGHT - 44;
/** Percent of the width that points may take. */
const LEFT = 10;
const RIGHT = 96;
/** As wide as most pages show it: only to keep numbers of points off one another. */
const USUAL_WIDTH = 720;
/** Of a label, in pixels. */
const LETTER = 7;

const LIMITS: Readonly<Record<Roofline["limit"], { readonly mark: Mark; readonly name: string }>> = {
  compute: { mark: "circle", name: "limited by arithmetic" },
  bandwidth: { mark: "square", name: "limited by memory" },
  launches: { mark: "triangle", name: "limited by launches" },
};
const UNKNOWN = { mark: "diamond", name: "limit not measured" } as const;

const lookOf = ({ roofline }: NumberedRow) => (roofline ? LIMITS[roofline.limit] : UNKNOWN);

interface Point {
  readonly row: NumberedRow;
  /** FLOP a byte, and FLOP/s. */
  readonly intensity: number;
  readonly rate: number;
  /** FLOP/s at the row's limit; null where it is not known. */
  readonly limit: number | null;
}

/** The rows of one device, storage type and number of threads below what the machine reached; `ceiling` is null where it was not measured. */
export function rooflinePlot(id: string, rows: readonly NumberedRow[], ceiling: Ceiling | null): Markup {
  const points = rows.flatMap((row) => pointOf(row) ?? []);
  const title = `Roofline of ${conditionOf(ceiling ?? rows[0])}`;
  const apart = rows.filter((row) => !pointOf(row));
  const left =
    apart.length === 0
      ? ""
      : html`<p class="quiet">Without a place in the plot, since their FLOP or bytes are not counted: ${runs(apart.map(({ n }) => n))}.</p>`;
  if (points.length === 0) return html`<h3>${title}</h3>${ceiling ? html`<p>${reached(ceiling)}</p>` : ""}${left}`;
  const shown = [...new Set(points.map(({ row }) => lookOf(row)))];
  return html`${figure(
    { id, title, description: describe(points, ceiling), space: { height: HEIGHT }, links: true },
    drawing(points, ceiling),
    html`${legend(shown.map(({ name, mark }) => [name, mark, "ours"]))}
${ceiling ? html`<p>${reached(ceiling)} ${launchBound(ceiling)}</p>` : html`<p class="quiet">What this device can do at most was not measured.</p>`}
${left}${numbersOf(title, points)}`,
  )}`;
}

function pointOf(row: NumberedRow): Point | null {
  const { flops, bytes, roofline } = row;
  const rate = flopsPerSecond(row);
  if (rate === null || !flops || !bytes) return null;
  return { row, intensity: flops / bytes, rate, limit: roofline ? (1e6 * flops) / roofline.limitUs : null };
}

function drawing(points: readonly Point[], ceiling: Ceiling | null): Markup {
  const ridge = ceiling && ceiling.flopsPerSecond / ceiling.copyBytesPerSecond;
  const x = logScale([...points.map((p) => p.intensity), ...(ridge ? [ridge] : [])], [LEFT, RIGHT], 2);
  const rates = points.flatMap(({ rate, limit }) => [rate, ...(limit ? [limit] : [])]);
  const y = logScale([...rates, ...(ceiling ? [ceiling.flopsPerSecond] : [])], [BOTTOM, TOP + 14], 1.4);
  const [from, to] = x.domain();
  const [low, high] = y.domain();
  const xTicks = logTicks(from, to).map((at) => ({ at: x(at), text: at.toLocaleString("en-US") }));
  const yTicks = logTicks(low, high).map((at) => ({ at: y(at), text: roundSi(at, "FLOP/s") }));
  return html`${yAxis(yTicks, "FLOP/s")}${xAxis(xTicks, "FLOP per byte moved", BOTTOM)}
${ceiling ? roof(ceiling, { x, y }) : ""}
${placed(
  points.map((point) => ({ point, x: x(point.intensity), y: y(point.rate), limit: point.limit && y(point.limit) })),
  ceiling ? roofWords(ceiling, { x, y }) : [],
)}`;
}

type Scale = ReturnType<typeof logScale>;

/** Memory's line up to the ridge, arithmetic's from there. */
function roof({ flopsPerSecond: peak, copyBytesPerSecond: copy }: Ceiling, { x, y }: { x: Scale; y: Scale }): Markup {
  const [from, to] = x.domain();
  const [low] = y.domain();
  // The memory's line enters from below where the plot begins higher.
  const start = Math.max(from, low / copy);
  const ridge = peak / copy;
  const slope = html`<line class="roof" x1="${pc(x(start))}" y1="${px(y(start * copy))}" x2="${pc(x(ridge))}" y2="${px(y(peak))}"/>`;
  return html`<g aria-hidden="true">${slope}<line class="roof" x1="${pc(x(ridge))}" y1="${px(y(peak))}" x2="${pc(x(to))}" y2="${px(y(peak))}"/>
<text class="label" x="${pc(x(to))}" y="${px(y(peak) - 7)}" text-anchor="end">${si(peak, "FLOP/s")}</text>
<text class="label" x="${pc(x(start) + 2)}" y="${px(y(start * copy) + 12)}">${si(copy, "B/s")}</text></g>`;
}

/** Where the words beside the roof stand, a place every letter or two. */
function roofWords({ flopsPerSecond: peak, copyBytesPerSecond: copy }: Ceiling, { x, y }: { x: Scale; y: Scale }) {
  const [from, to] = x.domain();
  const start = Math.max(from, y.domain()[0] / copy);
  const places = (text: string, left: number, base: number) =>
    Array.from({ length: text.length }, (_, i) => ({ x: left + LETTER * (i + 0.5), y: base - 4 }));
  const [top, slope] = [si(peak, "FLOP/s"), si(copy, "B/s")];
  const pixels = (percent: number) => (percent / 100) * USUAL_WIDTH;
  return [
    ...places(top, pixels(x(to)) - LETTER * top.length, y(peak) - 7),
    ...places(slope, pixels(x(start) + 2), y(start * copy) + 12),
  ];
}

interface Placed {
  readonly point: Point;
  readonly x: number;
  readonly y: number;
  readonly limit: number | null;
}

/** Points with their numbers beside them, and a dotted line up to the limit of each. */
function placed(list: readonly Placed[], words: readonly { x: number; y: number }[]): Markup {
  const taken = [...list.map(({ x, y }) => ({ x: (x / 100) * USUAL_WIDTH, y })), ...words];
  return html`${list.map(({ point: { row, rate, intensity }, x, y, limit }) => {
    const label = freePlace((x / 100) * USUAL_WIDTH, y, taken);
    const said = `${row.n}. ${labelOf(row)}: ${si(rate, "FLOP/s")} at ${si(intensity, "FLOP")} a byte${row.roofline ? `, ${percent(row.roofline.share)} of its limit` : ""}`;
    const stem = limit && html`<line class="stem" x1="${pc(x)}" x2="${pc(x)}" y1="${px(y)}" y2="${px(limit)}"/>`;
    return html`<a href="#${anchor(row)}" aria-label="${said}"><title>${said}</title>${stem ?? ""}${marked(x, y, lookOf(row).mark, "ours")}${label ? html`<svg x="${pc(x)}" y="${px(y)}" width="1" height="1" overflow="visible"><text class="point" x="${label.dx}" y="${label.dy}" dy="0.32em" text-anchor="middle">${row.n}</text></svg>` : ""}</a>`;
  })}`;
}

const PLACES = [
  [0, 13],
  [0, -13],
  [11, 11],
  [-11, 11],
  [11, -11],
  [-11, -11],
  [22, 0],
  [-22, 0],
  [0, 24],
] as const;

/** Where a number beside a point meets no other; null where it would anywhere. */
function freePlace(x: number, y: number, taken: { x: number; y: number }[]): { dx: number; dy: number } | null {
  for (const [dx, dy] of PLACES) {
    const at = { x: x + dx, y: y + dy };
    if (taken.some((other) => Math.abs(other.x - at.x) < 14 && Math.abs(other.y - at.y) < 11)) continue;
    taken.push(at);
    return { dx, dy };
  }
  return null;
}

const reached = ({ flopsPerSecond: peak, copyBytesPerSecond, launchSeconds }: Ceiling): string =>
  `Reached in loops that do nothing else: ${si(peak, "FLOP/s")} of arithmetic, ${si(copyBytesPerSecond, "B/s")} of copying, a launch every ${si(launchSeconds, "s")}.`;

/** The region under which launches are the limit depends on how many a row has, so that it is said rather than drawn. */
const launchBound = ({ flopsPerSecond: peak, copyBytesPerSecond, launchSeconds }: Ceiling): string =>
  `A launch of less than ${si(peak * launchSeconds, "FLOP")} that moves less than ${si(copyBytesPerSecond * launchSeconds, "B")} is over before the next can follow: its limit lies below the roof. A dotted line leads from each point to its limit.`;

function describe(points: readonly Point[], ceiling: Ceiling | null): string {
  const said = points.map(({ row, rate, intensity }) => {
    const share = row.roofline ? `, ${percent(row.roofline.share)} of its limit (${row.roofline.limit})` : "";
    return `${row.n}, ${labelOf(row)}: ${si(rate, "FLOP/s")} at ${si(intensity, "FLOP")} a byte${share}`;
  });
  return `${ceiling ? `${reached(ceiling)} ` : ""}${said.join(". ")}.`;
}

function numbersOf(caption: string, points: readonly Point[]): Markup {
  const rows = points.map(({ row, rate, intensity }) => {
    const { roofline } = row;
    const limit = roofline ? [roofline.limit, time(roofline.limitUs), percent(roofline.share)] : ["-", "-", "-"];
    return [`${row.n}. ${labelOf(row)}`, si(intensity, "FLOP/B"), si(rate, "FLOP/s"), ...limit];
  });
  return numbers({
    caption,
    head: ["row", "intensity", "reached", "limited by", "takes at least", "of the limit"],
    rows,
  });
}
