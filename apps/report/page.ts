import type { Fact, Notice } from "./data.js";
import { html, Markup, type Part } from "./html.js";
import { style } from "./style.js";

export interface PageOptions {
  readonly title: string;
  readonly header: Part;
  readonly main: Part;
  /** CSS behind that of all reports. */
  readonly moreStyle?: string;
}

/** A report as one HTML page that needs nothing else: no script, no network. */
export const page = ({ title, header, main, moreStyle = "" }: PageOptions): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(style + moreStyle)}</style>
</head>
<body>
<header>
${header}
</header>
<main>
${main}
</main>
</body>
</html>
`.text;

export const notice = ({ head, text }: Notice): Markup => html`<p class="notice"><strong>${head}</strong> ${text}</p>`;

export const facts = (list: readonly Fact[]): Markup =>
  html`<dl>${list.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
