/** Numbers for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 1,000-based: 12.3 MB. */
export function bytes(count: number): string {
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}

/** 1:02:03, or 2:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "-");

export const count = (n: number) => n.toLocaleString("en-US");

/** Four digits, with an exponent only where it is shorter. */
export function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e7 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}
