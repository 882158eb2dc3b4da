/** A curve in letters: Braille, whose cells have 2 by 4 points. */

export interface PlotOptions {
  /** Columns and rows of letters, those of the scale included. */
  readonly width: number;
  readonly height: number;
  /** The numbers of the scale. */
  format(value: number): string;
  /** Below the plot, at its left and right end. */
  readonly ends?: readonly [string, string];
}

/** Bits of the points of a cell, by row and column. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];

/** Values from left to right, each as wide as the others; where there are more than points, their means. Numbers alone. */
export function plot(values: readonly number[], { width, height, format, ends }: PlotOptions): string[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) return [];
  const rows = Math.max(2, height - (ends ? 1 : 0));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const scale = [format(high), format(low)];
  const margin = Math.max(...scale.map((text) => text.length)) + 1;
  const columns = Math.max(2, width - margin - 1);
  const points = resampled(values, 2 * columns);
  const cells = Array.from({ length: rows }, () => new Uint8Array(columns));
  const rowOf = (value: number) => Math.round((1 - (value - low) / (high - low || 1)) * (4 * rows - 1));
  const mark = (x: number, y: number) => {
    cells[y >> 2][x >> 1] |= DOTS[y & 3][x & 1];
  };
  points.forEach((value, x) => {
    if (!Number.isFinite(value)) return;
    const y = rowOf(value);
    const before = x > 0 && Number.isFinite(points[x - 1]) ? rowOf(points[x - 1]) : y;
    // Up or down to it, so that steep parts stay one line.
    const towards = before + Math.sign(y - before);
    for (let at = Math.min(y, towards); at <= Math.max(y, towards); at++) mark(x, at);
  });
  const lines = cells.map((cell, row) => {
    const number = row === 0 ? scale[0] : row === rows - 1 ? scale[1] : "";
    return `${number.padStart(margin - 1)} │${String.fromCodePoint(...Array.from(cell, (bits) => 0x2800 + bits))}`;
  });
  if (!ends) return lines;
  const [left, right] = ends;
  return [
    ...lines,
    `${" ".repeat(margin + 1)}${left}${right.padStart(Math.max(1 + right.length, columns - left.length))}`,
  ];
}

/** The mean of each share of the values; every value several times where there are fewer than `count`. */
function resampled(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * values.length) / count));
    const some = values.slice(from, to).filter(Number.isFinite);
    return some.reduce((a, b) => a + b, 0) / some.length;
  });
}
