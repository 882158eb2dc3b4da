import { html, type Markup, type Part } from "./html.js";

export interface FigureOptions {
  /** Of the plot, unique in its page. */
  readonly id: string;
  readonly title: string;
  /** What the plot shows, in words. */
  readonly description: string;
  /** A viewBox is scaled to the page; with a height, horizontal places are percent of the page and letters keep their size. */
  readonly space: { readonly viewBox: string } | { readonly height: number };
  /** Points of the plot can be reached by keyboard, so that it is no mere picture. Default false. */
  readonly links?: boolean;
}

/** A plot as SVG with its description, and behind it what else says the same: its numbers. */
export function figure(options: FigureOptions, drawing: Markup, behind: Part): Markup {
  const { id, title, description, space, links = false } = options;
  const size = "viewBox" in space ? html`viewBox="${space.viewBox}"` : html`width="100%" height="${space.height}"`;
  return html`<figure>
<figcaption>${title}</figcaption>
<div class="plot"><svg ${size} role="${links ? "group" : "img"}" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${drawing}
</svg></div>
${behind}
</figure>`;
}

export interface TableOptions {
  /** Said by screen readers before the table. */
  readonly caption: string;
  readonly head: readonly Part[];
  /** The first cell heads its row. */
  readonly rows: readonly (readonly Part[])[];
}

/** A table whose columns and rows have heads; scrolls where it is wider than the page. */
export const table = ({ caption, head, rows }: TableOptions): Markup =>
  html`<div class="scroll" tabindex="0" role="group" aria-label="${caption}"><table><caption class="hidden">${caption}</caption><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;

/** The numbers of a plot, to be opened. */
export const numbers = (options: TableOptions): Markup =>
  html`<details><summary>Numbers</summary>${table(options)}</details>`;
