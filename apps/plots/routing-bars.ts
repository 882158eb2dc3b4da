import { scaleBand, scaleLinear } from "d3-scale";
import { type RoutingSummary, TOKEN_KINDS, type TokenKind, totalTokens } from "../../models/index.js";
import { html, type Markup } from "../report/html.js";
import { COLOURS, figure, HEAD, legend, round } from "./figure.js";

const COLUMNS = 4;
const PANEL = { width: 220, height: 170, left: 44, right: 10, top: 26, bottom: 34 };

/** Panels for the mixtures, in rows; `draw` fills one whose origin is its upper left corner. */
function panels(layers: readonly number[], draw: (i: number) => Markup) {
  const columns = Math.min(COLUMNS, layers.length);
  const width = Math.max(560, 16 + columns * PANEL.width);
  const height = HEAD + Math.ceil(layers.length / columns) * PANEL.height + 8;
  const body = html`${layers.map((layer, i) => {
    const [x, y] = [8 + (i % columns) * PANEL.width, HEAD + Math.floor(i / columns) * PANEL.height];
    return html`<g transform="translate(${x} ${y})"><text x="${PANEL.left}" y="16" font-weight="600">layer ${layer}</text>${draw(i)}</g>`;
  })}`;
  return { width, height, body };
}

/** Axes: shares from 0 to `most` upwards, experts to the right. */
function axes(experts: number, most: number) {
  const y = scaleLinear([0, most], [PANEL.height - PANEL.bottom, PANEL.top]).nice(4);
  const x = scaleBand<number>([PANEL.left, PANEL.width - PANEL.right]).domain(
    Array.from({ length: experts }, (_, e) => e),
  );
  x.padding(experts > 32 ? 0 : 0.2);
  // Names of some, where there is no room for all.
  const every = Math.ceil(experts / 12);
  const drawn = html`${y.ticks(4).map((tick) => html`<line x1="${PANEL.left}" x2="${PANEL.width - PANEL.right}" y1="${round(y(tick))}" y2="${round(y(tick))}" stroke="#d8dee4"/><text x="${PANEL.left - 6}" y="${round(y(tick))}" dy="0.32em" text-anchor="end" fill="#57606a" font-size="11">${Math.round(100 * tick)} %</text>`)}${x
    .domain()
    .filter((e) => e % every === 0)
    .map(
      (e) =>
        html`<text x="${round((x(e) ?? 0) + x.bandwidth() / 2)}" y="${PANEL.height - PANEL.bottom + 14}" text-anchor="middle" fill="#57606a" font-size="11">${e}</text>`,
    )}<text x="${(PANEL.left + PANEL.width - PANEL.right) / 2}" y="${PANEL.height - PANEL.bottom + 28}" text-anchor="middle" fill="#57606a" font-size="11">expert</text>`;
  return { x: (e: number) => round(x(e) ?? 0), y, width: round(x.bandwidth()), drawn };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const counted = ({ questions, tokens }: RoutingSummary) =>
  `${totalTokens(tokens).toLocaleString("en-US")} tokens of ${questions.toLocaleString("en-US")} ${questions === 1 ? "question" : "questions"}`;

/** Share of the choices that each expert has, mixture by mixture; a dashed line where all would have the same. */
export function loadPlot(summary: RoutingSummary): string {
  const { layers, load } = summary;
  const shares = load.map((experts) => {
    const all = experts.reduce((sum, tokens) => sum + totalTokens(tokens), 0);
    return experts.map((tokens) => totalTokens(tokens) / all);
  });
  const most = Math.max(...shares.flat());
  const { width, height, body } = panels(layers, (i) => {
    const { x, y, width: bar, drawn } = axes(shares[i].length, most);
    const even = round(y(1 / shares[i].length));
    return html`${drawn}${shares[i].map((share, e) => html`<rect x="${x(e)}" y="${round(y(share))}" width="${bar}" height="${round(y(0) - y(share))}" fill="${COLOURS.all}"><title>expert ${e}: ${percent(share)}</title></rect>`)}<line x1="${PANEL.left}" x2="${PANEL.width - PANEL.right}" y1="${even}" y2="${even}" stroke="#1b1f24" stroke-dasharray="4 3"/>`;
  });
  const description = layers
    .map((layer, i) => `Layer ${layer}: ${shares[i].map((s, e) => `expert ${e} ${percent(s)}`).join(", ")}.`)
    .join(" ");
  const about = html`<text fill="#57606a">${counted(summary)}; dashed: the same for all</text>`;
  return figure({ title: "Load of each expert", description, width, height }, about, body);
}

const NAMES: Readonly<Record<TokenKind, string>> = { image: "image", text: "question and template", answer: "answer" };

/** Of each expert's tokens, the shares that are rows of images, text of the prompt, and text of the answer. */
export function splitPlot(summary: RoutingSummary): string {
  const { layers, load } = summary;
  const { width, height, body } = panels(layers, (i) => {
    const { x, y, width: bar, drawn } = axes(load[i].length, 1);
    return html`${drawn}${load[i].map((tokens, e) => {
      const all = totalTokens(tokens);
      if (all === 0)
        return html`<text transform="translate(${x(e) + bar / 2} ${y(0) - 4}) rotate(-90)" dy="0.32em" fill="#57606a" font-size="10">no token</text>`;
      let below = 0;
      return TOKEN_KINDS.map((kind) => {
        const from = below;
        below += tokens[kind] / all;
        return html`<rect x="${x(e)}" y="${round(y(below))}" width="${bar}" height="${round(y(from) - y(below))}" fill="${COLOURS[kind]}"><title>expert ${e}, ${NAMES[kind]}: ${percent(tokens[kind] / all)}</title></rect>`;
      });
    })}`;
  });
  const description = layers
    .map((layer, i) => {
      const experts = load[i].map((tokens, e) => {
        const all = totalTokens(tokens);
        return all === 0
          ? `expert ${e} no token`
          : `expert ${e} ${TOKEN_KINDS.map((kind) => `${NAMES[kind]} ${percent(tokens[kind] / all)}`).join(", ")}`;
      });
      return `Layer ${layer}: ${experts.join("; ")}.`;
    })
    .join(" ");
  const colours = legend(TOKEN_KINDS.map((kind) => [NAMES[kind], COLOURS[kind]]));
  return figure({ title: "What the tokens of each expert are", description, width, height }, colours, body);
}
