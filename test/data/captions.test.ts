import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { CaptionData, captionsOf, loadCaptions, parseCaptions } from "../../models/miss/pretrain/captions.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-captions-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const parse = (text: string, data: object = {}, names: string[] | null = null, file = "t.csv") =>
  parseCaptions(text, CaptionData.parse({ file, images: "im", ...data }), names);

describe("tables", () => {
  test("a caption column, under its usual names, or one that is named", async () => {
    for (const [column, data] of [
      ["caption", {}],
      ["Caption", {}],
      ["text", { columns: { captions: ["text"] } }],
    ] as const) {
      const { rows, problems } = await parse(`image,${column}\na.png,"a lung, clear"\n/b.png, two \n`, data);
      expect(problems).toEqual([]);
      expect(rows).toEqual([
        { image: "im/a.png", captions: ["a lung, clear"], row: 0, line: 2 },
        { image: "/b.png", captions: ["two"], row: 1, line: 3 },
      ]);
    }
  });

  test("MediCat: captions in a table, image names in a text file, row by row", async () => {
    const { rows } = await parse("pdf_hash,Caption\nx,first\ny,second\n", {}, ["1.png", "2.png"]);
    expect(rows.map(({ image, captions }) => [image, captions[0]])).toEqual([
      ["im/1.png", "first"],
      ["im/2.png", "second"],
    ]);
    const { problems } = await parse("Caption\nfirst\nsecond\n", { names: "names.txt" }, ["1.png"]);
    expect(problems.map(({ text }) => text)).toEqual(["it has 2 rows, and names.txt names 1 images"]);
  });

  test("TransCap: several captions an image, empty ones left out; JSON lines as well", async () => {
    const head = "image,describe1,describe2,describe3,describe4,describe5";
    const { rows } = await parse(`${head}\na.png,one,two,,four,five\n`);
    expect(rows[0].captions).toEqual(["one", "two", "four", "five"]);
    const lines = await parse('{"image": "a.png", "describe1": "one", "describe2": "two"}', {}, null, "t.jsonl");
    expect(lines.rows[0].captions).toEqual(["one", "two"]);
  });

  test("one caption is drawn for each row and epoch: by seed, all of them in time", () => {
    const rows = Array.from({ length: 50 }, (_, row) => {
      const captions = row === 0 ? ["alone"] : ["1", "2", "3", "4", "5"];
      return { image: `${row}.png`, captions, row, line: row + 2 };
    });
    const epochs = Array.from({ length: 40 }, (_, epoch) => captionsOf(rows, 7, epoch));
    expect(captionsOf(rows, 7, 3)).toEqual(epochs[3]);
    expect(captionsOf(rows, 8, 3)).not.toEqual(epochs[3]);
    for (const row of rows.keys())
      expect(new Set(epochs.map((texts) => texts[row])).size).toBe(rows[row].captions.length === 1 ? 1 : 5);
  });
});

describe("what is wrong with a table", () => {
  test("columns that are not there, with what there is", async () => {
    const text = async (table: string, data?: object) =>
      (await parse(table, data)).problems.map(({ text, advice }) => `${text}. ${advice}`);
    expect(await text("img,caption\na,b\n")).toEqual([
      'there is no column "image" for the image: it has "img", "caption". Name it with --image-column, or give the names of the images, one a line, with --image-names',
    ]);
    expect(await text("image,words\na,b\n")).toEqual([
      'there is no column of captions: it has "image", "words". Name it with --caption-columns NAME, or several with commas between them',
    ]);
    expect(await text("image,describe1\na,b\n", { columns: { captions: ["describe1", "descrbe2"] } })).toEqual([
      expect.stringContaining('there is no column "descrbe2" for captions: it has "image", "describe1"'),
    ]);
  });

  test("rows without image or text, and URLs, all at once with their lines", async () => {
    const { rows, problems } = await parse("image,caption\n,x\na.png,\nhttp://h/b.png,y\nc.png,z\n");
    expect(rows.map(({ image }) => image)).toEqual(["im/c.png"]);
    expect(problems.map(({ text }) => text)).toEqual([
      '"image" is empty (line 2)',
      '"caption" has no text (line 3)',
      "the image is a URL (line 4)",
    ]);
  });

  test("images that are missing are named before anything is trained; no rows are none", async () => {
    writeFileSync(path("t.csv"), "image,caption\nno.png,x\n");
    await expect(loadCaptions(CaptionData.parse({ file: path("t.csv") }))).rejects.toThrow(/no\.png \(line 2\)/);
    writeFileSync(path("e.csv"), "image,caption\n");
    await expect(loadCaptions(CaptionData.parse({ file: path("e.csv") }))).rejects.toThrow("no rows below its header");
  });

  test("the hash is that of table and names", async () => {
    for (const name of ["1.png", "2.png"]) writeFileSync(path(name), name);
    writeFileSync(path("m.csv"), "Caption\nfirst\nsecond\n");
    writeFileSync(path("n.txt"), "1.png\n2.png\n");
    const data = CaptionData.parse({ file: path("m.csv"), names: path("n.txt") });
    const { sha256 } = await loadCaptions(data);
    writeFileSync(path("n.txt"), "2.png\n1.png\n");
    expect((await loadCaptions(data)).sha256).not.toBe(sha256);
  });
});
