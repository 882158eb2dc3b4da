/** Numbers for people. */

const PREFIXES = ["n", "µ", "m", "", "k", "M", "G", "T", "P"];
/** Of the prefix for one. */
const UNIT = PREFIXES.indexOf("");

/** Three digits with a prefix, 1,000-based: 12.3 ms, 399 TFLOP/s, 9.7 MB. */
export function si(value: number, unit: string): string {
  if (value === 0) return `0 ${unit}`;
  const exponent = (digits: number) => Math.floor(Math.log10(digits) / 3);
  // 999.6 is 1.00 of the next prefix.
  const rounded = Number(value.toPrecision(3));
  const least = unit === "B" ? 0 : -UNIT;
  const power = Math.min(PREFIXES.length - 1 - UNIT, Math.max(least, exponent(Math.abs(rounded))));
  return `${digits(rounded / 1000 ** power)} ${PREFIXES[UNIT + power]}${unit}`;
}

export const time = (microseconds: number): string => si(microseconds / 1e6, "s");

export const timeRange = (from: number, to: number): string => `${time(from)} to ${time(to)}`;

export const percent = (share: number): string =>
  share >= 0.1 ? `${(100 * share).toFixed(0)} %` : `${(100 * share).toFixed(1)} %`;

/** 0.38×, 1.52×, 23.3×, 392×. */
export const times = (ratio: number): string =>
  `${ratio < 10 ? ratio.toFixed(2) : ratio < 100 ? ratio.toFixed(1) : ratio.toFixed(0)}×`;

/** Three of them, without an exponent: 1.5, 0.0123, 39,900. */
const digits = (value: number): string =>
  Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 9 });
