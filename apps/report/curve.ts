import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { figure, numbers } from "./figure.js";
import { html, type Markup } from "./html.js";

export interface CurveOptions {
  readonly id: string;
  readonly title: string;
  readonly values: readonly number[];
  readonly height: number;
  /** Also draw the mean of the last `smooth` steps, in front of the single steps. */
  readonly smooth?: number;
  readonly format: (value: number) => string;
}

const WIDTH = 720;
const MARGIN = { top: 10, right: 16, bottom: 34, left: 58 };
/** Points drawn at most: more than pixels would only make the file large. */
const POINTS = 600;

/** A quantity over the steps of a run, as SVG with a table of some of its values. */
export function curve({ id, title, values, height, smooth = 1, format }: CurveOptions): Markup {
  if (values.length === 0) return html`<p>${title}: no steps.</p>`;
  const smoothed = movingMean(values, smooth);
  const x = scaleLinear([1, Math.max(2, values.length)], [MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLinear([0, Math.max(...values) || 1], [height - MARGIN.bottom, MARGIN.top]).nice(4);
  const path = line<[number, number]>(
    (p) => round(x(p[0])),
    (p) => round(y(p[1])),
  );
  const description = `From ${format(values[0])} at step 1 to ${format(smoothed.at(-1) as number)} at step ${values.length}.`;
  const drawing = html`${y.ticks(4).map((tick) => html`<g transform="translate(0 ${round(y(tick))})"><line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}"/><text class="tick" x="${MARGIN.left - 8}" dy="0.32em" text-anchor="end">${format(tick)}</text></g>`)}
${x
  .ticks(6)
  .filter(Number.isInteger)
  .map(
    (tick) =>
      html`<text class="tick" x="${round(x(tick))}" y="${height - MARGIN.bottom + 16}" text-anchor="middle">${tick}</text>`,
  )}
<text class="tick" x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${height - 3}" text-anchor="middle">step</text>
${smooth > 1 ? html`<path class="line faint" d="${path(thin(values)) ?? ""}"/>` : ""}<path class="line" d="${path(thin(smoothed)) ?? ""}"/>`;
  const steps = [...new Set(Array.from({ length: 11 }, (_, i) => Math.round((i * (values.length - 1)) / 10)))];
  return figure(
    { id, title, description, space: { viewBox: `0 0 ${WIDTH} ${height}` } },
    drawing,
    numbers({ caption: title, head: ["step", title], rows: steps.map((i) => [i + 1, format(smoothed[i])]) }),
  );
}

function movingMean(values: readonly number[], window: number): number[] {
  let sum = 0;
  return values.map((value, i) => {
    sum += value - (i >= window ? values[i - window] : 0);
    return sum / Math.min(i + 1, window);
  });
}

/** [step, value] of at most POINTS steps, evenly spread, the last one included. */
function thin(values: readonly number[]): [number, number][] {
  const n = Math.min(POINTS, values.length);
  return Array.from({ length: n }, (_, k) => {
    const i = n === 1 ? 0 : Math.round((k * (values.length - 1)) / (n - 1));
    return [i + 1, values[i]];
  });
}

const round = (value: number) => Math.round(value * 10) / 10;
