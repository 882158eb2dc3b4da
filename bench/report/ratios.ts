import { figure, numbers } from "../../apps/report/figure.js";
import { html, type Markup } from "../../apps/report/html.js";
import type { TimedPeer } from "../document.js";
import { logScale, pc, px } from "./plot.js";
import { time, times } from "./quantities.js";
import { type NumberedRow, ratioInterval, sameWork, shapeOf, timedPeers } from "./rows.js";

const HEAD = 28;
const BAR = 12;
const STEP = 20;
const AXIS = 40;
/** Names and ratios stand to the left of the bars. */
const LEFT = 40;
const RIGHT = 98;
/** Those before others are kept where there is no room for all. */
const TICKS = [1, 10, 0.1, 100, 0.01, 1000, 0.001, 2, 0.5, 4, 0.25, 1.5, 0.75];

interface Bar {
  readonly name: string;
  readonly peer: TimedPeer;
  readonly interval: readonly [number, number] | null;
}

/** Ours against each peer, row by row: bars from 1 to the right where ours is faster, to the left where the peer is. */
export function ratioPlot(id: string, title: string, all: readonly NumberedRow[]): Markup {
  const rows = all.filter((row) => timedPeers(row).length > 0);
  const groups = rows.map((row) => ({
    row,
    bars: timedPeers(row).map(([name, peer]): Bar => ({ name, peer, interval: ratioInterval(row, peer) })),
  }));
  const ratios = groups.flatMap(({ bars }) => bars.flatMap(({ peer, interval }) => [peer.ratio, ...(interval ?? [])]));
  const x = logScale([0.5, 2, ...ratios], [LEFT, RIGHT], 1.1);
  const heights = groups.map(({ bars }) => HEAD + STEP * bars.length + 6);
  const tops = heights.map((_, i) => AXIS + heights.slice(0, i).reduce((a, b) => a + b, 0));
  const height = AXIS + heights.reduce((a, b) => a + b, 0) + 4;
  const [from, to] = x.domain();
  const ticks = spread(TICKS.filter((tick) => tick >= from && tick <= to).map((tick) => ({ tick, at: x(tick) })));
  const drawing = html`<text class="axis" x="${pc(x(1) - 1.5)}" y="12" text-anchor="end">◂ peer is faster</text><text class="axis" x="${pc(x(1) + 1.5)}" y="12">ours is faster ▸</text>
${ticks.map(({ tick, at }) => html`<line class="${tick === 1 ? "even" : "grid"}" x1="${pc(at)}" x2="${pc(at)}" y1="34" y2="${height}"/><text class="tick" x="${pc(at)}" y="29" text-anchor="middle">${tick}×</text>`)}
${groups.map(({ row, bars }, i) => html`<text class="group" x="0" y="${px(tops[i] + 17)}">${row.n}. ${row.pass} <tspan class="shape">${shapeOf(row)}</tspan></text>${bars.map((bar, j) => drawn(bar, tops[i] + HEAD + j * STEP, x))}`)}`;
  const description = groups
    .map(
      ({ row, bars }) =>
        `${row.n}, ${row.pass} ${shapeOf(row)}: ${bars.map(({ name, peer }) => `${name} ${times(peer.ratio)}`).join(", ")}`,
    )
    .join(". ");
  return figure({ id, title, description: `${description}.`, space: { height } }, drawing, numbersOf(title, groups));
}

/** Whose letters do not meet on a narrow page. */
function spread(ticks: readonly { tick: number; at: number }[]) {
  const kept: { tick: number; at: number }[] = [];
  for (const tick of ticks) if (kept.every((other) => Math.abs(other.at - tick.at) >= 9)) kept.push(tick);
  return kept;
}

function drawn({ name, peer, interval }: Bar, y: number, x: (ratio: number) => number): Markup {
  const [a, b] = [x(1), x(peer.ratio)];
  const middle = y + BAR / 2;
  const kind = sameWork(peer) ? peer.ours : "control";
  const whisker =
    interval &&
    html`<line class="interval" x1="${pc(x(interval[0]))}" x2="${pc(x(interval[1]))}" y1="${px(middle)}" y2="${px(middle)}"/>${interval.map((end) => html`<line class="interval" x1="${pc(x(end))}" x2="${pc(x(end))}" y1="${px(middle - 3.5)}" y2="${px(middle + 3.5)}"/>`)}`;
  return html`<text class="label" x="0" y="${px(middle)}" dy="0.32em">${name}</text><text class="label number" x="${pc(LEFT - 3)}" y="${px(middle)}" dy="0.32em" text-anchor="end">${times(peer.ratio)}</text>
<rect class="${kind}" x="${pc(Math.min(a, b))}" y="${px(y)}" width="${pc(Math.max(0.15, Math.abs(b - a)))}" height="${BAR}"/>${whisker ?? ""}`;
}

function numbersOf(caption: string, groups: readonly { row: NumberedRow; bars: readonly Bar[] }[]): Markup {
  const rows = groups.flatMap(({ row, bars }) =>
    bars.map(({ name, peer, interval }) => [
      `${row.n}. ${row.pass} ${shapeOf(row)}`,
      name,
      time(row.medianUs),
      time(peer.medianUs),
      times(peer.ratio),
      interval ? `${times(interval[0])} to ${times(interval[1])}` : "-",
    ]),
  );
  return numbers({ caption, head: ["row", "peer", "ours", "theirs", "ratio", "95 % interval"], rows });
}
