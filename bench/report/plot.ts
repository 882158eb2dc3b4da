import { scaleLog } from "d3-scale";
import {
  type SymbolType,
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolTriangle,
} from "d3-shape";
import { html, type Markup } from "../../apps/report/html.js";

/** Parts of plots whose horizontal places are percent of the page, and vertical ones pixels. */

export const MARKS = {
  circle: symbolCircle,
  square: symbolSquare,
  triangle: symbolTriangle,
  diamond: symbolDiamond,
  cross: symbolCross,
} satisfies Record<string, SymbolType>;

export type Mark = keyof typeof MARKS;

/** What tells a line or its points from others: a mark and a dash, besides a colour of style.ts. */
export interface Look {
  readonly className: string;
  readonly mark: Mark;
}

/** Ours, then peers in their order. */
export const LOOKS: readonly Look[] = [
  { className: "ours", mark: "circle" },
  { className: "peer-1", mark: "square" },
  { className: "peer-2", mark: "triangle" },
  { className: "peer-3", mark: "diamond" },
  { className: "peer-4", mark: "cross" },
];

export const lookOf = (i: number): Look => (i === 0 ? LOOKS[0] : LOOKS[1 + ((i - 1) % (LOOKS.length - 1))]);

/** A logarithmic scale that begins and ends a little outside of what it holds. */
export function logScale(values: readonly number[], range: readonly [number, number], margin = 1.3) {
  const low = Math.min(...values) / margin;
  const high = Math.max(...values) * margin;
  return scaleLog([low, high], range);
}

/** Powers of ten, or 1, 2, 5 of each where the scale has few; at most about nine. */
export function logTicks(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const every = Math.ceil((to - from) / 8);
  const factors = to - from <= 3 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = from; power <= to; power += every) for (const f of factors) ticks.push(Number(`${f}e${power}`));
  return ticks.filter((tick) => tick >= low && tick <= high);
}

export const pc = (x: number): string => `${Math.round(100 * x) / 100}%`;
export const px = (y: number): string => String(Math.round(10 * y) / 10);

/** A mark with its place in its middle. */
export const marked = (x: number, y: number, mark: Mark, className: string): Markup =>
  html`<svg x="${pc(x)}" y="${px(y)}" width="1" height="1" overflow="visible"><path class="mark ${className}" d="${symbol(MARKS[mark], 64)() ?? ""}"/></svg>`;

/** Marks with what they mean, above a plot. */
export const legend = (entries: readonly (readonly [name: string, mark: Mark, className: string])[]): Markup =>
  html`<ul class="legend">${entries.map(([name, mark, className]) => html`<li><svg width="16" height="14" viewBox="-8 -7 16 14" aria-hidden="true"><path class="mark ${className}" d="${symbol(MARKS[mark], 64)() ?? ""}"/></svg> ${name}</li>`)}</ul>`;

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Lines across the plot, each with its number above its left end. */
export const yAxis = (ticks: readonly Tick[], title: string): Markup =>
  html`<g aria-hidden="true"><text class="axis" x="0" y="11">${title}</text>${ticks.map(({ at, text }) => html`<line class="grid" x1="0" x2="100%" y1="${px(at)}" y2="${px(at)}"/><text class="tick" x="0" y="${px(at - 3)}">${text}</text>`)}</g>`;

/** Numbers below the plot, `bottom` its lower edge. */
export const xAxis = (ticks: readonly Tick[], title: string, bottom: number): Markup =>
  html`<g aria-hidden="true">${ticks.map(({ at, text }) => html`<line class="grid" x1="${pc(at)}" x2="${pc(at)}" y1="${px(bottom)}" y2="${px(bottom + 5)}"/><text class="tick" x="${pc(at)}" y="${px(bottom + 18)}" text-anchor="middle">${text}</text>`)}<text class="axis" x="100%" y="${px(bottom + 36)}" text-anchor="end">${title}</text></g>`;
