import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { LARGEST_TABLE } from "../../models/data/table.js";
import { loadTable, parseTable, type TableOptions } from "../../models/index.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-table-"));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
write("a.png", "");

const HEAD = "image,question,answer\n";
const rowsOf = async (text: string, options?: TableOptions, name = "rows.csv") => {
  const { rows, problems } = await parseTable(text, name, options);
  expect(problems).toEqual([]);
  return rows;
};
const problemsOf = async (text: string, options?: TableOptions, name = "rows.csv") =>
  (await parseTable(text, name, options)).problems.map(({ kind, text }) => `${kind}: ${text}`);

describe("a table of one's own", () => {
  test("the least it needs; answers decide their type; places and ids are those of the file", async () => {
    const rows = await rowsOf(`${HEAD}a.png,Is it?,YES\nsub/b.png,Where?,left lung\n`, {}, "data/rows.csv");
    expect(rows).toEqual([
      { image: "data/a.png", question: "Is it?", answer: "YES", answerType: "CLOSED", qid: "0", row: 0, line: 2 },
      {
        ...{ image: "data/sub/b.png", question: "Where?", answer: "left lung", answerType: "OPEN" },
        ...{ qid: "1", row: 1, line: 3 },
      },
    ]);
  });

  test("images beside a table in the root folder are in the root folder; a column of empty ids is none", async () => {
    const text = "image,question,answer,id\na.png,q,a,\nb.png,q,a,\n";
    expect((await rowsOf(text, {}, "/rows.csv")).map(({ image, qid }) => [image, qid])).toEqual([
      ["/a.png", "0"],
      ["/b.png", "1"],
    ]);
  });

  test("columns by any name, blanks around names and values, a byte order mark, other columns left alone", async () => {
    const text =
      "\ufefffile , Frage,Antwort,patient,part,kind,nr,organ,note\r\n x.png ,Ist es?,ja, p 1 ,Valid,CLOSED ,7,Lunge,n\r\n";
    const columns = {
      ...{ image: "file", question: "Frage", answer: "Antwort", group: "patient", split: "part" },
      ...{ answer_type: "kind", id: "nr", category: "organ" },
    };
    expect(await rowsOf(text, { columns, imageFolder: "pictures/" })).toEqual([
      {
        ...{ image: "pictures/x.png", question: "Ist es?", answer: "ja", answerType: "CLOSED", category: "Lunge" },
        ...{ group: "p 1", qid: "7", row: 0, line: 2, part: "validation" },
      },
    ]);
  });

  test("JSON lines: numbers as text, keys in any order, null as nothing, blank lines", async () => {
    const lines = [{ answer: 3, question: "How many?", image: "/abs/a.png", extra: {} }, null, { image: "b.png" }];
    lines[2] = { image: "b.png", question: "Is it?", answer: "no", split: null, group: "g" } as never;
    const text = lines.map((line) => (line ? JSON.stringify(line) : "")).join("\r\n");
    const { rows, problems } = await parseTable(text, "rows.jsonl");
    expect(rows).toEqual([]);
    // A role that some rows have is one that all need.
    expect(problems.map((p) => p.text)).toEqual(['"group" is empty (line 1)', '"split" is empty in all 2 rows']);
    const sound = text.replace(',"split":null,"group":"g"', "");
    expect(await rowsOf(sound, {}, "rows.jsonl")).toMatchObject([
      { image: "/abs/a.png", answer: "3", answerType: "OPEN", line: 1 },
      { image: "b.png", answer: "no", answerType: "CLOSED", line: 3 },
    ]);
  });

  test("tabs; line numbers through blank lines, quoted line breaks and mixed line ends", async () => {
    expect(await rowsOf("image\tquestion\tanswer\na.png\tA, or B?\tA\n", {}, "rows.tsv")).toMatchObject([
      { question: "A, or B?" },
    ]);
    const text = 'image,question,answer\r\n\r\n"a.png","x\r\ny\n""z""",2\n\n\rb.png,q,a\r"c.png","\rx",a\n\nd.png,q,a';
    const rows = await rowsOf(text);
    expect(rows.map(({ line, question }) => [line, question])).toEqual([
      [3, 'x\r\ny\n"z"'],
      [8, "q"],
      [9, "\rx"],
      [12, "q"],
    ]);
  });
});

describe("any table that is written is read back", () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab,\"'\n\r\t;|é😀 0"), maxLength: 8 });
  const filled = text.map((value) => `${value}x`);
  const row = fc.record({ image: fc.constantFrom("a.png", "b,c.png", 'd"e.png'), question: filled, answer: filled });
  const quoted = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  test("as CSV, with every line end, blank lines between rows, and the line that each row begins on", async () => {
    const end = fc.constantFrom("\n", "\r\n", "\r");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(row, end, fc.nat(2)), { minLength: 1, maxLength: 12 }), async (table) => {
        let csv = HEAD;
        const lines: number[] = [];
        const breaks = (value: string) => value.split(/\r\n|\r|\n/).length;
        for (const [{ image, question, answer }, lineEnd, blank] of table) {
          csv += "\n".repeat(blank);
          lines.push(breaks(csv));
          csv += [image, question, answer].map(quoted).join(",") + lineEnd;
          // CR of one row and LF of the blank line after it would be one end.
          if (lineEnd === "\r") csv += "\r";
        }
        const rows = await rowsOf(csv);
        expect(rows.map(({ image, question, answer }) => ({ image, question, answer }))).toEqual(table.map(([r]) => r));
        expect(rows.map(({ line }) => line)).toEqual(lines);
      }),
      { numRuns: 200 },
    );
  });

  test("as JSON lines", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (table) => {
        const rows = await rowsOf(table.map((r) => JSON.stringify(r)).join("\n"), {}, "rows.jsonl");
        expect(rows.map(({ image, question, answer }) => ({ image, question, answer }))).toEqual(table);
      }),
    );
  });
});

describe("what is wrong is said, with lines", () => {
  test.each([
    [
      "ragged rows",
      `${HEAD}a.png,q\nb.png,q,a\nc.png,a,b,c\n`,
      "ragged row: lines 2 and 4: 2 fields in the first of them, the header has 3",
    ],
    [
      "a column that is not there",
      "imgae,question,answer\na,b,c\n",
      'file: there is no column "image" for the image: it has "imgae", "question", "answer"',
    ],
    ["a column twice", "image,question,answer,answer\na,b,c,d\n", 'file: two columns are named "answer"'],
    ["semicolons", "image;question;answer\na;b;c\n", 'file: its header is one column, "image;question;answer"'],
    ["an empty question", `${HEAD}a.png, ,yes\n`, 'empty value: "question" is empty (line 2)'],
    [
      "an empty group in some rows",
      "image,question,answer,group\na,b,c,\na,b,c,g\na,b,c, \n",
      'empty value: "group" is empty (lines 2 and 4)',
    ],
    [
      "an empty group in all rows",
      "image,question,answer,group\na,b,c,\na,b,c,\n",
      'empty value: "group" is empty in all 2 rows',
    ],
    ["a part that is none", "image,question,answer,split\na,b,c,exam\n", 'split value: "split" is "exam" (line 2)'],
    [
      "an answer type that is none",
      "image,question,answer,answer_type\na,b,c,maybe\n",
      'answer type: "answer_type" is "maybe" (line 2)',
    ],
    [
      "an id twice",
      "image,question,answer,id\na,b,c,7\na,d,c,7\n",
      'duplicate id: "id" is that of an earlier row (line 3)',
    ],
    ["an id in some rows", "image,question,answer,id\na,b,c,1\na,d,c,\n", 'empty value: "id" is empty (line 3)'],
    ["an image by URL", `${HEAD}https://host/a.png,q,a\n`, 'bad value: "image" is a URL (line 2)'],
  ])("%s", async (_, text, problem) => {
    expect(await problemsOf(text)).toEqual([problem]);
  });

  test.each([
    ["nothing", "", "rows.csv: it is empty. A table has a row for each question"],
    ["a header only", HEAD, "rows.csv: it has no rows below its header"],
    [
      "a quote inside a field",
      `${HEAD}a,5" tube,c\n`,
      "rows.csv:2: in the row that begins here a quote stands inside a field. Quote the whole field",
    ],
    [
      "text after a quoted field",
      `${HEAD}"a"b,q,c\n`,
      "rows.csv:2: in the row that begins here a quote stands inside a field",
    ],
    [
      "a row without end",
      `${HEAD}a,"${"b".repeat(2 ** 20)}",c\n`,
      "rows.csv:2: the row that begins here is longer than 1 MB",
    ],
  ])("as a whole: %s", async (_, text, message) => {
    await expect(parseTable(text, "rows.csv")).rejects.toThrow(message);
  });

  test("JSON lines: no JSON, no object, a value that is no text, each with its lines", async () => {
    const text = '{"image": a}\n[1]\n3\n{"image": "a", "question": {}, "answer": "b"}\n';
    expect(await problemsOf(text, {}, "rows.jsonl")).toEqual([
      'bad value: line 1: "a" where a value should be',
      "bad value: lines 2 and 3: not an object",
      'bad value: line 4: "question" is neither text nor a number',
    ]);
  });

  test("JSON lines: an integer whose digits would be lost, with what to write instead", async () => {
    const row = (id: string) => `{"image": "a", "question": "q", "answer": "b", "id": ${id}}\n`;
    const { problems } = await parseTable(
      row("9007199254740991") + row("9007199254740993") + row("1e400"),
      "rows.jsonl",
    );
    expect(problems).toMatchObject([
      {
        text: 'lines 2 and 3: "id" is a number too large for its digits to be kept',
        advice: 'Write it as text: "id": "..."',
      },
    ]);
  });

  test("many places: ten are named, the rest are counted, all are listed", async () => {
    const { problems } = await parseTable(`${HEAD}${"a,,c\n".repeat(13)}a,b,c\n`, "rows.csv");
    expect(problems[0].text).toBe('"question" is empty (lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more)');
    expect(problems[0].places).toHaveLength(13);
  });

  test("a named column that is not there is missed even where it is not needed; the nearest is named", async () => {
    const { problems } = await parseTable(`${HEAD}a,b,c\n`, "rows.csv", { columns: { group: "anser" } });
    expect(problems).toMatchObject([
      {
        text: expect.stringContaining('no column "anser" for the group'),
        advice: 'Did you mean "answer"? Name it with --columns group=NAME',
      },
    ]);
  });

  test("hostile text ends in rows, problems or a FileFormatError, and pollutes nothing", async () => {
    const hostile = fc.string({ unit: fc.constantFrom(...'ab,"\n\r\\{}:[]\0\ufeff'), maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(hostile, fc.constantFrom("x.csv", "x.tsv", "x.jsonl"), async (text, name) => {
        const read = parseTable(name === "x.jsonl" ? text : HEAD + text, name);
        await read.catch((error) => expect(error).toMatchObject({ name: "FileFormatError" }));
      }),
      { numRuns: 500 },
    );
    await parseTable('{"__proto__": {"image": "a"}, "question": "b", "answer": "c"}', "x.jsonl");
    expect(({} as { image?: string }).image).toBeUndefined();
  });
});

describe("files", () => {
  test("images are looked for beside the file, or where they are said to be; the hash is that of the file", async () => {
    const file = write("rows.csv", `${HEAD}a.png,q,a\n`);
    const { rows, sha256 } = await loadTable(file);
    expect(rows[0].image).toBe(join(folder, "a.png"));
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    mkdirSync(join(folder, "images"), { recursive: true });
    await expect(loadTable(file, { imageFolder: join(folder, "images") })).rejects.toThrow(
      /rows\.csv: 1 of 1 images are missing: .*images\/a\.png \(line 2\)\. Put the images there/,
    );
  });

  test("several problems are one error with a line for each", async () => {
    const file = write("bad.csv", "image,question,answer,split\na.png,,a,train\na.png,q,a,exam\n");
    await expect(loadTable(file)).rejects.toThrow(
      /bad\.csv: 2 problems\. Correct:\n {2}- "question" is empty \(line 2\)\. Fill it.*\n {2}- "split" is "exam" \(line 3\)\. Write train, val or test$/,
    );
  });

  test.each([
    [
      "latin1.csv",
      Buffer.from(`${HEAD}a.png,Wo gen\u00fcgt es?,a\n`, "latin1"),
      "it is not UTF-8 text. Save it as CSV UTF-8",
    ],
    ["utf16.csv", Buffer.from(`\ufeff${HEAD}a.png,q,a\n`, "utf16le"), "it is not UTF-8 text"],
    ["rows.xlsx", Buffer.from("PK"), "it is no table by its name. A table is a .csv, .tsv, .jsonl or .ndjson"],
    ["large.csv", Buffer.alloc(LARGEST_TABLE + 1, "a"), "it has 64 MB, at most 64 MB are read. A table has"],
  ])("%s is refused", async (name, bytes, message) => {
    await expect(loadTable(write(name, bytes))).rejects.toThrow(message);
  });
});
