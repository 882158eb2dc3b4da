import { expect, test } from "vitest";
import { parseTable } from "../../models/index.js";

const HEAD = "image,question,answer\n";
const problemsOf = async (text: string) =>
  (await parseTable(text, "rows.csv")).problems.map(({ kind, text }) => `${kind}: ${text}`);

test.each([
  [
    "a quote that never ends",
    `${HEAD}a,b,c\n\na,"b,c\nd,e,f\n`,
    "rows.csv:4: the quote that opens a field in this line is never closed. Close it behind the text of its field",
  ],
  [
    "a quote that never ends, behind a field of several lines",
    `${HEAD}a,"b\nb\nb","c\nd,e,f\n`,
    "rows.csv:4: the quote that opens a field in this line is never closed",
  ],
  [
    "a quote that never ends above rows with quotes",
    `${HEAD}a,"b,c\nd,e,f\ng,"h, i",j\n`,
    "rows.csv:2: the quote that opens a field in this line is not closed: the next one, in line 4, ends no field",
  ],
  [
    "a quote that never ends above more than a row may have",
    `${HEAD}a,"b,c\n${"d,e,f\n".repeat(2 ** 18)}`,
    "rows.csv:2: the quote that opens a field in this line is never closed",
  ],
])("%s is told by the line where it opens", async (_, text, message) => {
  await expect(parseTable(text, "rows.csv")).rejects.toThrow(message);
});

test("a quote that another one, rows below, closes takes in no row in silence; text of several lines stays text", async () => {
  const open = `${HEAD}a.png,q,"b\nb"\na.png,"b,c\nd.png,e,f\ng.png,h 5",j\nk.png,"l, m\nn, o",p\n`;
  expect(await problemsOf(open)).toEqual([
    "ragged row: line 4: the quote that opens a field takes in 2 lines that look like rows",
  ]);
  const { rows } = await parseTable(open, "rows.csv");
  expect(rows.map(({ image }) => image)).toEqual(["a.png", "k.png"]);
  const first = `${HEAD}"a.png,b,c\nd.png",e,f\n`;
  expect(await problemsOf(first)).toEqual([expect.stringMatching(/^ragged row: line 2/)]);
});
