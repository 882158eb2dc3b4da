import { scaleLinear } from "d3-scale";
import type { BarGroup } from "./data.js";
import { figure, numbers } from "./figure.js";
import { html, type Markup } from "./html.js";

const WIDTH = 720;
const LEFT = 150;
const RIGHT = 190;
const BAR = 18;
const GAP = 6;
const HEAD = 26;

const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "-");
const range = (low: number, high: number) => `${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)}`;

/** Accuracy of a model beside its baselines, with intervals, as SVG with the same numbers in a table. */
export function bars(id: string, title: string, groups: readonly BarGroup[], interval = "95 % interval"): Markup {
  const x = scaleLinear([0, 1], [LEFT, WIDTH - RIGHT]);
  const heights = groups.map((group) => HEAD + group.bars.length * (BAR + GAP) + 8);
  const height = heights.reduce((a, b) => a + b, 0) + 20;
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((a, b) => a + b, 0));
  const description = groups
    .map((g) => `${g.label}: ${g.bars.map((b) => `${b.label} ${percent(b.share)}`).join(", ")}.`)
    .join(" ");
  const grid = html`${[0, 0.25, 0.5, 0.75, 1].map((tick) => html`<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="6" y2="${height - 18}"/><text class="tick" x="${x(tick)}" y="${height - 4}" text-anchor="middle">${100 * tick} %</text>`)}`;
  return figure(
    { id, title, description, space: { viewBox: `0 0 ${WIDTH} ${height}` } },
    html`${grid}${groups.map((group, i) => drawn(group, tops[i], x))}`,
    numbersOf(title, groups, interval),
  );
}

function drawn({ label, total, bars: list }: BarGroup, top: number, x: (share: number) => number): Markup {
  return html`<g transform="translate(0 ${top})">
<text class="group" x="0" y="18">${label} <tspan class="tick">${total} questions</tspan></text>
${list.map((bar, i) => {
  const y = HEAD + i * (BAR + GAP);
  const middle = y + BAR / 2;
  return html`<text class="label" x="${LEFT - 10}" y="${middle}" dy="0.32em" text-anchor="end">${bar.label}</text>
<rect class="${bar.kind}" x="${x(0)}" y="${y}" width="${Math.max(0.5, x(bar.share || 0) - x(0)).toFixed(1)}" height="${BAR}" rx="2"/>
<path class="interval" d="M${x(bar.low).toFixed(1)} ${middle}H${x(bar.high).toFixed(1)}M${x(bar.low).toFixed(1)} ${middle - 4}v8M${x(bar.high).toFixed(1)} ${middle - 4}v8"/>
<text class="label" x="${WIDTH - RIGHT + 16}" y="${middle}" dy="0.32em">${percent(bar.share)} <tspan class="tick">(${range(bar.low, bar.high)})</tspan></text>`;
})}
</g>`;
}

function numbersOf(caption: string, groups: readonly BarGroup[], interval: string): Markup {
  const rows = groups.flatMap(({ label, total, bars: list }) =>
    list.map((bar) => [label, bar.label, percent(bar.share), `${percent(bar.low)} to ${percent(bar.high)}`, total]),
  );
  return numbers({ caption, head: ["questions", "answers by", "accuracy", interval, "count"], rows });
}
