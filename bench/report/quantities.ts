/** Numbers for people. */

const PREFIXES = ["n", "µ", "m", "", "k", "M", "G", "T", "P"];
/** Of the prefix for one. */
const ONE = PREFIXES.indexOf("");

/** The prefix of a value, as a power of 1,000; bytes have no parts. 999.6 has that of 1,000. */
function powerOf(value: number, unit: string): number {
  if (value === 0) return 0;
  const power = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))) / 3);
  return Math.min(PREFIXES.length - 1 - ONE, Math.max(unit === "B" ? 0 : -ONE, power));
}

/** Three digits: 1.50, 39.9, 457. */
const digits = (value: number): string => {
  if (Math.abs(value) < 1) return String(Number(value.toPrecision(3)));
  return Math.abs(value) < 999.5 ? value.toPrecision(3) : Math.round(value).toLocaleString("en-US");
};

/** With a prefix, 1,000-based: 12.3 ms, 399 TFLOP/s, 9.70 MB. */
export function si(value: number, unit: string): string {
  const power = powerOf(value, unit);
  const scaled = Number(value.toPrecision(3)) / 1000 ** power;
  return `${unit === "B" && power === 0 ? scaled : digits(scaled)} ${PREFIXES[ONE + power]}${unit}`;
}

/** As si, without zeros behind the point: 5 ms, 0.5 µs. For values that are chosen round. */
export function roundSi(value: number, unit: string): string {
  const power = powerOf(value, unit);
  return `${Number((value / 1000 ** power).toPrecision(3))} ${PREFIXES[ONE + power]}${unit}`;
}

export const time = (microseconds: number): string => si(microseconds / 1e6, "s");

/** 6.90 to 11.2 ms; 972 µs to 1.02 ms. */
export function timeRange(from: number, to: number): string {
  const same = powerOf(from / 1e6, "s") === powerOf(to / 1e6, "s");
  return `${same ? time(from).split(" ")[0] : time(from)} to ${time(to)}`;
}

export const percent = (share: number): string =>
  share >= 0.1 ? `${(100 * share).toFixed(0)} %` : `${(100 * share).toFixed(1)} %`;

/** 0.38×, 1.52×, 23.3×, 392×. */
export const times = (ratio: number): string =>
  `${ratio < 10 ? ratio.toFixed(2) : ratio < 100 ? ratio.toFixed(1) : ratio.toFixed(0)}×`;

/** Of whole numbers in order, runs as one: 1 to 11, 14, 21. */
export function runs(numbers: readonly number[]): string {
  const found: [number, number][] = [];
  for (const n of numbers) {
    const last = found.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else found.push([n, n]);
  }
  return found
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`))
    .join(", ");
}
