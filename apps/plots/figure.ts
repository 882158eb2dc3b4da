import { html, type Markup } from "../report/html.js";

/** Colours that are told apart in print and by most colour-blind eyes (Okabe and Ito). */
export const COLOURS = { image: "#0072b2", text: "#e69f00", answer: "#009e73", all: "#56789a" } as const;

export interface FigureOptions {
  readonly title: string;
  /** The same in words, for who cannot see it. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
}

/** Room above the drawing: title, and a line below it. */
export const HEAD = 58;

/** A drawing that stands by itself: its own style, on white. `body` begins below HEAD. */
export const figure = ({ title, description, width, height }: FigureOptions, legend: Markup, body: Markup): string =>
  html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description" font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="12" fill="#1b1f24">
<title id="title">${title}</title><desc id="description">${description}</desc>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600">${title}</text>
<g transform="translate(16 44)">${legend}</g>
${body}
</svg>
`.text;

/** Squares of colour with their names, side by side. */
export function legend(entries: readonly (readonly [name: string, colour: string])[]): Markup {
  let x = 0;
  return html`${entries.map(([name, colour]) => {
    const at = x;
    x += 28 + 7 * name.length;
    return html`<rect x="${at}" y="-9" width="10" height="10" fill="${colour}"/><text x="${at + 15}" fill="#57606a">${name}</text>`;
  })}`;
}

/** With one digit: SVG needs no more. */
export const round = (value: number) => Math.round(value * 10) / 10;
