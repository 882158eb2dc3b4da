import { figure, numbers } from "../../apps/report/figure.js";
import { html, type Markup } from "../../apps/report/html.js";
import type { Phase } from "../document.js";
import { pc } from "./plot.js";
import { percent, time } from "./quantities.js";
import { labelOf, type NumberedRow } from "./rows.js";

const BAR = 24;
/** Percent of the page below which a number does not fit into its piece. */
const NARROW = 4;

/** What the parts of a layer take, as one bar in pieces. Forward and backward differ in colour, neighbours in its density. */
export function phasePlot(id: string, row: NumberedRow, phases: readonly Phase[]): Markup {
  const sum = phases.reduce((total, { us }) => total + us, 0);
  const title = `${row.n}. ${labelOf(row)}`;
  const share = (us: number) => (sum > 0 ? us / sum : 0);
  const named = phases.map((phase, i) => ({ ...phase, i: i + 1, name: nameOf(phase, row) }));
  const description = `${named.map(({ name, us }) => `${name} ${time(us)}, ${percent(share(us))}`).join("; ")}.`;
  let from = 0;
  const pieces = named.map(({ us, pass, i }) => {
    const [x, width] = [100 * from, 100 * share(us)];
    from += share(us);
    const number = html`<text class="piece" x="${pc(x + width / 2)}" y="${BAR / 2}" dy="0.35em" text-anchor="middle">${i}</text>`;
    return html`<rect class="phase ${pass} ${i % 2 ? "odd" : "even"}" x="${pc(x)}" y="0" width="${pc(width)}" height="${BAR}"/>${width < NARROW ? "" : number}`;
  });
  const key = html`<ol class="key">${named.map(({ name, us }) => html`<li>${name} <span class="quiet">${time(us)}, ${percent(share(us))}</span></li>`)}</ol>
<p class="quiet">Together ${time(sum)}, ${percent(sum / row.medianUs)} of the median of the whole, ${time(row.medianUs)}.</p>`;
  const rows = named.map(({ i, phase, pass, us, launches }) => [
    `${i}. ${phase}`,
    pass,
    time(us),
    percent(share(us)),
    Number(launches.toFixed(1)),
  ]);
  const head = ["phase", "pass", "time", "share", "launches"];
  return figure(
    { id, title, description, space: { height: BAR } },
    html`${pieces}`,
    html`${key}${numbers({ caption: `Phases of ${title}`, head, rows })}`,
  );
}

const nameOf = ({ phase, pass }: Phase, row: NumberedRow) =>
  row.pass === "forward+backward" ? `${phase}, ${pass}` : phase;
