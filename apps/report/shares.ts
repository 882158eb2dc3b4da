import type { ShareGroup } from "./data.js";
import { figure, numbers } from "./figure.js";
import { html, type Markup } from "./html.js";

const WIDTH = 720;
const LEFT = 150;
const RIGHT = 20;
const BAR = 20;
const GAP = 6;
const HEAD = 26;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** What each of several experts gets, as bars of 100 % in pieces, with the same numbers in a table. */
export function shares(id: string, title: string, groups: readonly ShareGroup[]): Markup {
  const heights = groups.map((group) => HEAD + group.rows.length * (BAR + GAP) + 10);
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((a, b) => a + b, 0));
  const height = heights.reduce((a, b) => a + b, 0);
  const description = groups
    .map((g) => `${g.label}: ${g.rows.map((r) => `${r.label} ${r.shares.map(percent).join(", ")}`).join("; ")}.`)
    .join(" ");
  return figure(
    { id, title, description, space: { viewBox: `0 0 ${WIDTH} ${height}` } },
    html`${groups.map((group, i) => drawn(group, tops[i]))}`,
    numbersOf(title, groups),
  );
}

function drawn({ label, note, rows }: ShareGroup, top: number): Markup {
  const room = WIDTH - LEFT - RIGHT;
  return html`<g transform="translate(0 ${top})">
<text class="group" x="0" y="18">${label} <tspan class="tick">${note}</tspan></text>
${rows.map((row, i) => {
  const y = HEAD + i * (BAR + GAP);
  let from = 0;
  const pieces = row.shares.map((share, e) => {
    const x = LEFT + from * room;
    from += share;
    const width = share * room;
    // Experts are told apart by their number and by how dense their colour is, not by its hue.
    const opacity = (0.25 + (0.65 * e) / Math.max(1, row.shares.length - 1)).toFixed(2);
    const name =
      width > 16
        ? html`<text x="${(x + width / 2).toFixed(1)}" y="${y + BAR / 2}" dy="0.32em" text-anchor="middle">${e}</text>`
        : "";
    return html`<rect class="expert" x="${x.toFixed(1)}" y="${y}" width="${Math.max(0, width - 1).toFixed(1)}" height="${BAR}" style="fill-opacity:${opacity}"/>${name}`;
  });
  return html`<text class="label" x="${LEFT - 10}" y="${y + BAR / 2}" dy="0.32em" text-anchor="end">${row.label}</text>${pieces}`;
})}
</g>`;
}

function numbersOf(caption: string, groups: readonly ShareGroup[]): Markup {
  const experts = Math.max(...groups.flatMap(({ rows }) => rows.map((row) => row.shares.length)));
  const head = ["mixture", "images", ...Array.from({ length: experts }, (_, e) => `expert ${e}`)];
  const rows = groups.flatMap(({ label, rows: list }) =>
    list.map((row) => [label, row.label, ...row.shares.map(percent)]),
  );
  return numbers({ caption, head, rows });
}
