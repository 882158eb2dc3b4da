import { expect, test } from "vitest";
import { plot } from "../../apps/cli/terminal/plot.js";

const format = (value: number) => value.toFixed(1);

test("a line from the lowest to the highest value, with both on the scale and what its ends are", () => {
  expect(plot([0, 1, 2, 3, 4, 5, 6, 7], { width: 9, height: 3, format, ends: ["a", "b"] })).toEqual([
    "7.0 │⠀⠀⡠⠊",
    "0.0 │⡠⠊⠀⠀",
    "     a  b",
  ]);
});

test("what is not finite is left out; of many values means are drawn; one value is no curve", () => {
  const gap = plot([1, Number.NaN, 1, 1], { width: 7, height: 2, format });
  expect(gap[0]).toMatch(/^1\.0 │/);
  expect(plot([1], { width: 20, height: 4, format })).toEqual([]);
  const noisy = Array.from({ length: 4000 }, (_, i) => (i % 2 ? 1 : 3));
  const lines = plot(noisy, { width: 30, height: 5, format });
  expect(lines.every((line) => line.length <= 30)).toBe(true);
  expect(lines[2]).toMatch(/[\u2801-\u28ff]{10}/);
});
