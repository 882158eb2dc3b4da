import { bars } from "./bars.js";
import { curve } from "./curve.js";
import type { GalleryItem, ReportData, StageData } from "./data.js";
import { table } from "./figure.js";
import { html, type Markup } from "./html.js";
import { facts, notice, page } from "./page.js";
import { shares } from "./shares.js";

export type { ReportData } from "./data.js";

const SMOOTH = 20;

/** The report of a training or an evaluation, as one HTML page. */
export function renderReport(data: ReportData): string {
  const { title, lede, notices, environment, departures, stages, sources } = data;
  const header = html`<h1>${title}</h1>
<p class="quiet">${lede}</p>
<p class="notice"><strong>A research demonstration, not for clinical use.</strong> A very small model that answers often wrongly. Its probabilities are not calibrated.</p>
${notices.map(notice)}`;
  const main = html`${stages.map(section)}
${departures.length > 0 ? differences(departures) : ""}
<section>
<h2>Environment</h2>
${facts(environment)}
<p class="quiet">${sources}</p>
</section>`;
  return page({ title, header, main });
}

const differences = (departures: ReportData["departures"]): Markup => html`<section>
<h2>How this differs from the published pipeline</h2>
${table({ caption: "Settings that differ from the published pipeline", head: ["setting", "why"], rows: departures.map(([setting, why]) => [html`<code>${setting}</code>`, why]) })}
</section>`;

function section(stage: StageData): Markup {
  const { id, title, about, facts: list, leak, history, groups, comparison, losses = [], experts, gallery } = stage;
  return html`<section>
<h2>${title}</h2>
<p>${about}</p>
${facts(list)}
${leak ? notice({ head: "The test shares rows with training.", text: leak }) : ""}
${bars(`${id}-bars`, "Accuracy, with 95 % intervals", groups)}
${comparison ? html`<p>${comparison}</p>` : ""}
${experts ? html`${shares(`${id}-experts`, experts.title, experts.groups)}<p>${experts.about}</p>` : ""}
${history ? curves(id, history) : ""}
${losses.map(({ title: name, values }, i) => lossCurve(`${id}-loss-${i}`, name, values))}
${gallery.length > 0 ? examples(gallery) : ""}
</section>`;
}

const examples = (gallery: readonly GalleryItem[]): Markup => html`<h3>Test questions, drawn by chance</h3>
${gallery.some(({ image }) => image) ? "" : html`<p class="quiet">Their images are left out; --report-images puts thumbnails here.</p>`}
<ul class="gallery">${gallery.map(item)}</ul>`;

function curves(id: string, { loss, lr }: NonNullable<StageData["history"]>): Markup {
  return html`${lossCurve(`${id}-loss`, "Training loss", loss)}
${curve({ id: `${id}-lr`, title: "Learning rate", values: lr, height: 150, format: short })}`;
}

function lossCurve(id: string, name: string, values: readonly number[]): Markup {
  const smooth = Math.max(1, Math.min(SMOOTH, Math.floor(values.length / 5)));
  const title = smooth > 1 ? `${name} (mean of ${smooth} steps in front of single steps)` : name;
  return curve({ id, title, values, height: 240, smooth, format: short });
}

const item = ({ image, question, answer, prediction, probability, correct }: GalleryItem): Markup =>
  html`<li>${image ? html`<img src="${image}" alt="Radiology image of this question">` : ""}<div>${question}<br>
<span class="quiet">Answer:</span> ${answer}<br>
<span class="quiet">Model:</span> <span class="${correct ? "right" : "wrong"}">${prediction}</span> <span class="quiet">(${(100 * probability).toFixed(0)} %, ${correct ? "right" : "wrong"})</span></div></li>`;

const short = (value: number) => {
  if (value === 0) return "0";
  return Math.abs(value) >= 0.01 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
};
