import type { Notice } from "../../apps/report/data.js";
import { html, type Markup } from "../../apps/report/html.js";
import { facts, notice, page } from "../../apps/report/page.js";
import { isUnsteady } from "../ceilings/index.js";
import type { BenchDocument } from "../document.js";
import { isLoaded } from "../machine/load.js";
import { phasePlot } from "./phases.js";
import { percent, runs } from "./quantities.js";
import { ratioPlot } from "./ratios.js";
import { rooflinePlot } from "./roofline.js";
import { conditionOf, groupBy, type NumberedRow, numbered, timedPeers } from "./rows.js";
import { seriesOf } from "./scaling.js";
import { scalingPlot } from "./scaling-plot.js";
import { style } from "./style.js";
import { environmentTable, peerTable, rowTable, skippedTable, slowerTable, summaryTable } from "./tables.js";

/**
 * A document as one HTML page that needs nothing else: no script, no network. What the document does not have (ceilings,
 * intervals, phases, peers) is left out, or said to be missing.
 */
export function reportHtml(document: BenchDocument): string {
  const { environment: e } = document;
  const rows = numbered(document);
  // A device says its name first, then what it has.
  const title = `consilium on ${e.device.split(",")[0]}`;
  const header = html`<h1>${title}</h1>
<p class="quiet">Benchmark of ${e.date.slice(0, 16).replace("T", " ")} UTC, consilium ${e.version}${e.commit ? `, commit ${e.commit.slice(0, 12)}` : ""}.</p>
${noticesOf(document, rows).map(notice)}
${facts([
  { name: "device", value: e.device },
  ...(e.chip === "" ? [] : [{ name: "processor", value: e.chip }]),
  { name: "measured", value: [...new Set(rows.map(conditionOf))].join("; ") || "nothing" },
  { name: "rows", value: `${rows.length}${document.skipped.length > 0 ? `, ${document.skipped.length} skipped` : ""}` },
  { name: "peers", value: Object.keys(e.peers).join(", ") || "none" },
])}`;
  const main = html`${summary(document, rows)}
${rooflines(document, rows)}
${ratios(rows)}
${scaling(rows)}
${phases(rows)}
${details(document, rows)}
<section>
<h2>Environment</h2>
${environmentTable(e)}
</section>
<section>
<h2>Repeat it</h2>
${e.command ? html`<pre tabindex="0"><code>${e.command}</code></pre>` : html`<p>The command was not recorded.</p>`}
</section>`;
  return page({ title, header, main, moreStyle: style });
}

/** What a reader has to know before any number. */
function noticesOf({ environment, ceilings, interrupted }: BenchDocument, rows: readonly NumberedRow[]): Notice[] {
  const { commit, load, cores } = environment;
  const notices: Notice[] = [];
  if (interrupted) {
    const done =
      rows.length === 0
        ? "stopped before a row was done"
        : `stopped when ${rows.length} ${rows.length === 1 ? "row was" : "rows were"} done`;
    notices.push({ head: "The run was interrupted.", text: `It was ${done}: what else was asked for is missing.` });
  }
  const unsteady = ceilings.filter(isUnsteady).map(({ drift = 0 }) => drift);
  if (unsteady.length > 0)
    notices.push({
      head: "The machine's own speed changed.",
      text: `What it can do at most differed by up to ${percent(Math.max(...unsteady))} between before and after the rows: shares of the limit are guesses.`,
    });
  const busy = rows.filter(isLoaded);
  if (busy.length > 0) {
    const most = percent(Math.max(...busy.map(({ othersCpu }) => othersCpu ?? 0)));
    const text = `Other processes kept up to ${most} of the cores busy in rows ${runs(busy.map(({ n }) => n))}: their times are too long, and so may be those of peers. Ratios suffer less, the processor's time least, but for peers whose threads spin while they wait (OpenMP's).`;
    notices.push({ head: "The machine was not quiet.", text });
  } else if (
    rows.every(({ othersCpu }) => othersCpu === null || othersCpu === undefined) &&
    load.before[0] > cores / 2
  ) {
    const text = `The load was ${load.before[0].toFixed(1)} on ${cores} cores before the first row.`;
    notices.push({ head: "The machine may not have been quiet.", text });
  }
  if (commit?.endsWith("-dirty"))
    notices.push({
      head: "Of a changed working tree.",
      text: "The commit alone does not give the code that was measured.",
    });
  return notices;
}

function summary({ environment }: BenchDocument, rows: readonly NumberedRow[]): Markup {
  const compared = rows.some((row) => Object.keys(row.peers).length > 0);
  if (!compared) return html``;
  return html`<section>
<h2>In short</h2>
<p>A ratio is a peer's median by ours, of pieces that were timed in turn: above 1, ours is faster. Faster and slower are by the Mann-Whitney test at 5 %.</p>
${summaryTable(rows, environment)}
<h3>Where a peer is faster</h3>
${slowerTable(rows)}
</section>`;
}

function rooflines({ ceilings }: BenchDocument, rows: readonly NumberedRow[]): Markup {
  const groups = groupBy(rows, conditionOf);
  for (const ceiling of ceilings) if (!groups.has(conditionOf(ceiling))) groups.set(conditionOf(ceiling), []);
  if (groups.size === 0) return html``;
  return html`<section>
<h2>How near to the limit</h2>
${[...groups].map(([condition, group], i) => rooflinePlot(`roofline-${i + 1}`, group, ceilings.find((c) => conditionOf(c) === condition) ?? null))}
</section>`;
}

function ratios(rows: readonly NumberedRow[]): Markup {
  const compared = rows.filter((row) => timedPeers(row).length > 0);
  if (compared.length === 0) return html``;
  const conditions = new Set(compared.map(conditionOf)).size;
  const groups = groupBy(compared, (row) => (conditions > 1 ? `${row.op}; ${conditionOf(row)}` : row.op));
  return html`<section>
<h2>Against peers</h2>
<p>Bars are ratios with 95 % intervals where they were measured: blue and to the right where ours is faster, orange and to the left where the peer is, grey where the test cannot tell. Hollow bars are other work on purpose, to see what a part costs. Blanks and their reasons are in the table of peers.</p>
<div class="measure">${[...groups].map(([name, group], i) => ratioPlot(`ratios-${i + 1}`, name, group))}</div>
</section>`;
}

function scaling(rows: readonly NumberedRow[]): Markup {
  const series = seriesOf(rows);
  if (series.length === 0) return html``;
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  return html`<section>
<h2>Scaling</h2>
<p>Rows that differ in one thing alone.</p>
<div class="pairs">${series.map((one, i) => scalingPlot(`scaling-${i + 1}`, one, peers))}</div>
</section>`;
}

function phases(rows: readonly NumberedRow[]): Markup {
  const layers = rows.flatMap((row) =>
    row.phases && row.phases.length > 0 ? [phasePlot(`phases-${row.n}`, row, row.phases)] : [],
  );
  if (layers.length === 0) return html``;
  return html`<section>
<h2>Inside a layer</h2>
<p>Blue is the forward, orange the backward.</p>
${layers}
</section>`;
}

const details = (document: BenchDocument, rows: readonly NumberedRow[]): Markup => html`<section>
<h2>All rows</h2>
${rows.length > 0 ? rowTable("All rows", rows) : html`<p>No row was measured.</p>`}
${rows.some((row) => Object.keys(row.peers).length > 0) ? html`<h3>All peers</h3>${peerTable("All peers", rows)}` : ""}
${document.skipped.length > 0 ? html`<h3>Not measured</h3>${skippedTable(document)}` : ""}
</section>`;
