import { linkHorizontal } from "d3-shape";
import { type RoutingPath, type RoutingSummary, totalTokens } from "../../models/index.js";
import { html, type Markup } from "../report/html.js";
import { COLOURS, figure, HEAD, legend, round } from "./figure.js";

/** Whole paths that are named below the drawing. */
const NAMED = 10;
const BAND = { height: 220, left: 16, right: 16, top: 24, gap: 6, column: 90, node: 14 };

const KINDS = [
  { key: "image", name: "image", colour: COLOURS.image, of: ({ tokens }: RoutingPath) => tokens.image },
  {
    key: "text",
    name: "text",
    colour: COLOURS.text,
    of: ({ tokens }: RoutingPath) => tokens.text + tokens.answer,
  },
] as const;

type Kind = (typeof KINDS)[number];

/**
 * The ways of tokens from mixture to mixture, those of images above, those of texts below: a column for each mixture, an expert
 * in it as high as its share, ribbons between them as wide as theirs. Then the most frequent whole ways.
 */
export function pathsPlot(summary: RoutingSummary): string {
  const { layers, paths } = summary;
  const all = paths.reduce((sum, path) => sum + totalTokens(path.tokens), 0);
  const kinds = KINDS.filter((kind) => paths.some((path) => kind.of(path) > 0));
  const width = Math.max(560, BAND.left + BAND.right + BAND.node + (layers.length - 1) * BAND.column + 40);
  const listed = paths.slice(0, NAMED);
  const listTop = HEAD + kinds.length * BAND.height + 10;
  const lines = listed.map(({ experts, tokens }) => ({
    way: experts.join(" → "),
    share: `${((100 * totalTokens(tokens)) / all).toFixed(1)} %`,
  }));
  const body = html`${kinds.map((kind, i) => html`<g transform="translate(${BAND.left} ${HEAD + i * BAND.height})">${band(summary, kind)}</g>`)}
<g transform="translate(16 ${listTop})"><text y="12" font-weight="600">most frequent of ${paths.length.toLocaleString("en-US")} ways</text>
${lines.map(({ way, share }, i) => html`<text x="52" y="${32 + 17 * i}" text-anchor="end">${share}</text><text x="64" y="${32 + 17 * i}">${way}</text>`)}</g>`;
  const description = `Most frequent: ${lines.map(({ way, share }) => `${way} ${share}`).join("; ")}.`;
  const height = listTop + 36 + 17 * listed.length;
  const colours = legend(kinds.map(({ name, colour }) => [`tokens of ${name}`, colour]));
  return figure({ title: "Ways through the experts, by first choices", description, width, height }, colours, body);
}

/** One kind of tokens. */
function band({ layers, experts, paths }: RoutingSummary, { of, colour, name }: Kind): Markup {
  const tokens = paths.reduce((sum, path) => sum + of(path), 0);
  const most = Math.max(...experts);
  const scale = (BAND.height - BAND.top - 20 - (most - 1) * BAND.gap) / tokens;
  const x = (i: number) => i * BAND.column;
  // How many tokens each expert has, and where it begins.
  const nodes = experts.map((count, i) => {
    const has = Array.from({ length: count }, () => 0);
    for (const path of paths) has[path.experts[i]] += of(path);
    let y = BAND.top;
    return has.map((n) => {
      const top = y;
      y += n * scale + BAND.gap;
      return { n, top };
    });
  });
  const ribbons = layers.slice(1).flatMap((_, i) => ribbonsOf(i, nodes, { paths, of, scale, x }));
  const link = linkHorizontal<unknown, [number, number]>();
  return html`<text y="12" font-weight="600">${name}</text>
${ribbons.map(({ source, target, thickness }) => html`<path d="${link({ source, target }) ?? ""}" fill="none" stroke="${colour}" stroke-opacity="0.35" stroke-width="${round(Math.max(0.3, thickness))}"/>`)}
${nodes.map((column, i) => html`${column.map(({ n, top }, e) => (n === 0 ? "" : html`<rect x="${x(i)}" y="${round(top)}" width="${BAND.node}" height="${round(Math.max(0.5, n * scale))}" fill="${colour}"><title>layer ${layers[i]}, expert ${e}: ${((100 * n) / tokens).toFixed(1)} %</title></rect>${n * scale < 9 ? "" : html`<text x="${x(i) + BAND.node / 2}" y="${round(top + (n * scale) / 2)}" dy="0.34em" text-anchor="middle" font-size="10" fill="#ffffff">${e}</text>`}`))}<text x="${x(i) + BAND.node / 2}" y="${BAND.height - 8}" text-anchor="middle" font-size="11" fill="#57606a">${layers[i]}</text>`)}`;
}

interface Node {
  readonly n: number;
  readonly top: number;
}

interface RibbonOptions {
  readonly paths: readonly RoutingPath[];
  of(path: RoutingPath): number;
  readonly scale: number;
  x(i: number): number;
}

/** Between mixture i and the next, in the order of experts on both sides, so that ribbons of one expert do not cross. */
function ribbonsOf(i: number, nodes: readonly (readonly Node[])[], { paths, of, scale, x }: RibbonOptions) {
  const between = nodes[i].map(() => nodes[i + 1].map(() => 0));
  for (const path of paths) between[path.experts[i]][path.experts[i + 1]] += of(path);
  const left = nodes[i].map(({ top }) => top);
  const right = nodes[i + 1].map(({ top }) => top);
  const point = (at: number, y: number): [number, number] => [round(at), round(y)];
  return between.flatMap((row, from) =>
    row.flatMap((n, to) => {
      if (n === 0) return [];
      const thickness = n * scale;
      const source = point(x(i) + BAND.node, left[from] + thickness / 2);
      const target = point(x(i + 1), right[to] + thickness / 2);
      left[from] += thickness;
      right[to] += thickness;
      return [{ source, target, thickness }];
    }),
  );
}
