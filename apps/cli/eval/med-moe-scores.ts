import { type Accuracy, type MedMoeScores, publishedTable } from "../../../models/index.js";
import { count, percent } from "../terminal/format.js";
import { table } from "../terminal/table.js";

/** The scores as JSON documents have them. */
export const scoreFields = (scores: MedMoeScores) => ({
  questions: {
    total: scores.plain.all.exact.total,
    open: scores.open.total,
    closed: scores.closed.accuracy.total,
  },
  published: publishedTable(scores),
  closed: counted(scores.closed.accuracy),
  plain: Object.fromEntries(
    Object.entries(scores.plain).map(([part, { exact, f1 }]) => [part, { exact: counted(exact), f1 }]),
  ),
});

const counted = ({ correct, total, interval: { low, high } }: Accuracy) => ({ correct, total, low, high });

/** For people: the published table, and how often the answer itself was given. */
export function scoreText(scores: MedMoeScores): string {
  const { open, closed, plain } = scores;
  const published = Object.entries(publishedTable(scores)).map(([name, share]) => [name, hundredths(share)]);
  const beside = (["all", "open", "closed"] as const).map((part) => {
    const { exact, f1 } = plain[part];
    const { low, high } = exact.interval;
    const interval = exact.total === 0 ? "-" : `${percent(low)} to ${percent(high)}`;
    return [part, count(exact.total), hundredths(exact.accuracy), interval, hundredths(f1)];
  });
  return [
    `${count(open.total)} open and ${count(closed.accuracy.total)} closed questions\n`,
    table([["metric", "%"], ...published]),
    table([["questions", "count", "same answer %", "95 % interval", "word F1 %"], ...beside]),
  ].join("\n");
}

/** Per cent with two digits, as the papers give them; "-" where there is nothing to count. */
const hundredths = (share: number) => (Number.isFinite(share) ? (100 * share).toFixed(2) : "-");
