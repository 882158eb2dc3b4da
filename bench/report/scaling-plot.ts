import { scalePoint } from "d3-scale";
import { figure, numbers } from "../../apps/report/figure.js";
import { html, type Markup } from "../../apps/report/html.js";
import { legend, logScale, logTicks, lookOf, marked, pc, px, xAxis, yAxis } from "./plot.js";
import { roundSi, time } from "./quantities.js";
import { sameWork, timedPeers } from "./rows.js";
import type { Series } from "./scaling.js";

const HEIGHT = 260;
const TOP = 34;
const BOTTOM = HEIGHT - 44;
const LEFT = 14;
const RIGHT = 95;

interface Line {
  readonly name: string;
  /** 0 is ours; peers keep theirs in all plots. */
  readonly look: number;
  readonly points: readonly { readonly value: number | string; readonly us: number }[];
}

/** What a call takes as one thing grows, ours and those peers that do the same work; `peers` are all of the document. */
export function scalingPlot(id: string, { axis, same, points }: Series, peers: readonly string[]): Markup {
  const ours = { name: "ours", look: 0, points: points.map(({ value, row }) => ({ value, us: row.medianUs })) };
  const theirs = peers.map((name, i): Line => {
    const timed = points.flatMap(({ value, row }) => {
      const found = timedPeers(row).find(([other, peer]) => other === name && sameWork(peer));
      return found ? [{ value, us: found[1].medianUs }] : [];
    });
    return { name, look: i + 1, points: timed };
  });
  const lines = [ours, ...theirs.filter((line) => line.points.length > 0)];
  const values = points.map(({ value }) => value);
  const title = `Time by ${axis}: ${same}`;
  const description = lines
    .map((l) => `${l.name}: ${l.points.map((p) => `${axis} ${p.value} ${time(p.us)}`).join(", ")}`)
    .join(". ");
  const head = [axis, ...lines.map(({ name }) => name)];
  const rows = values.map((value) => [
    value,
    ...lines.map((line) => {
      const found = line.points.find((point) => point.value === value);
      return found ? time(found.us) : "-";
    }),
  ]);
  return figure(
    { id, title, description: `${description}.`, space: { height: HEIGHT } },
    drawing(axis, values, lines),
    html`${legend(lines.map(({ name, look }) => [name, lookOf(look).mark, lookOf(look).className]))}${numbers({ caption: title, head, rows })}`,
  );
}

function drawing(axis: string, values: readonly (number | string)[], lines: readonly Line[]): Markup {
  const x = horizontal(values);
  const y = logScale(
    lines.flatMap((line) => line.points.map(({ us }) => us)),
    [BOTTOM, TOP],
    1.3,
  );
  const [low, high] = y.domain();
  const yTicks = logTicks(low, high).map((at) => ({ at: y(at), text: roundSi(at / 1e6, "s") }));
  const xTicks = values.map((value) => ({ at: x(value), text: String(value) }));
  return html`${yAxis(yTicks, "time of a call")}${xAxis(xTicks, axis, BOTTOM)}${lines.map((line) => drawn(line, x, y))}`;
}

function horizontal(values: readonly (number | string)[]): (value: number | string) => number {
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length === values.length) {
    const scale = logScale(numbers, [LEFT, RIGHT], 1.15);
    return (value) => scale(value as number);
  }
  const scale = scalePoint<number | string>(values, [LEFT, RIGHT]).padding(0.4);
  return (value) => scale(value) ?? 0;
}

function drawn({ look, points }: Line, x: (value: number | string) => number, y: (us: number) => number): Markup {
  const { className, mark } = lookOf(look);
  const at = points.map(({ value, us }) => ({ x: x(value), y: y(us) }));
  const pieces = at
    .slice(1)
    .map(
      (to, i) =>
        html`<line class="series ${className}" x1="${pc(at[i].x)}" y1="${px(at[i].y)}" x2="${pc(to.x)}" y2="${px(to.y)}"/>`,
    );
  return html`${pieces}${at.map((p) => marked(p.x, p.y, mark, className))}`;
}
