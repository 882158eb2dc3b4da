import { bars } from "./bars.js";
import type { BarGroup, Fact, Notice } from "./data.js";
import { table } from "./figure.js";
import { html } from "./html.js";
import { facts, notice, page } from "./page.js";

/** What the page of a sweep shows. */
export interface SweepReport {
  readonly title: string;
  readonly lede: string;
  /** What a reader has to know before any number. */
  readonly notices: readonly Notice[];
  readonly tables: readonly {
    readonly title: string;
    /** The first is the head. */
    readonly cells: readonly (readonly string[])[];
    /** Accuracy of each row; empty where no question was answered. */
    readonly groups: readonly BarGroup[];
  }[];
  /** What the columns hold. */
  readonly columns: string;
  /** What the intervals of the bars are: behind a title, and as the head of a column. */
  readonly intervals: { readonly title: string; readonly head: string };
  readonly settings: readonly Fact[];
  readonly environment: readonly Fact[];
}

/** The report of a sweep, as one HTML page. */
export function renderSweep(data: SweepReport): string {
  const { title, lede, notices, tables, columns, intervals, settings, environment } = data;
  return page({
    title,
    header: html`<h1>${title}</h1>
<p class="quiet">${lede}</p>
<p class="notice"><strong>A research demonstration, not for clinical use.</strong> Models that answer often wrongly.</p>
${notices.map(notice)}`,
    main: html`${tables.map(
      ({ title: name, cells: [head, ...rows], groups }, i) => html`<section>
<h2>${name}</h2>
${table({ caption: name, head, rows })}
<p class="quiet">${columns}</p>
${groups.length > 0 ? bars(`table-${i}`, `Accuracy, ${intervals.title}`, groups, intervals.head) : ""}
</section>`,
    )}
<section>
<h2>Settings of every row</h2>
${facts(settings)}
</section>
<section>
<h2>Environment</h2>
${facts(environment)}
</section>`,
  });
}
