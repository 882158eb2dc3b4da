import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BenchDocument, type BenchRow, type Ceiling, type TimedPeer } from "../../bench/document.js";
import { csvOf, reportHtml } from "../../bench/report/index.js";
import { type Measured, withTables } from "../../bench/report/markdown.js";
import { runs, si, time, timeRange } from "../../bench/report/quantities.js";
import { numbered, ratioInterval } from "../../bench/report/rows.js";
import { seriesOf } from "../../bench/report/scaling.js";

const peer = (medianUs: number, more: Partial<TimedPeer> = {}): TimedPeer => ({
  ...{ medianUs, p10Us: 0.9 * medianUs, p90Us: 1.2 * medianUs, intervalUs: [0.95 * medianUs, 1.05 * medianUs] },
  ...{ samples: 9, calls: 2, version: "1.2.3", ratio: medianUs / 100, difference: 1e-7 },
  ours: medianUs > 100 ? "faster" : "slower",
  ...more,
});

const row = (more: Partial<BenchRow> = {}): BenchRow => ({
  ...{ suite: "moe", op: "mixtureOfExperts", pass: "forward", name: "a layer", device: "cpu", dtype: "f32" },
  ...{ shape: "512x256x704x4x2", set: "mixtral-8x7b-mini", routing: "balanced", threads: 1 },
  ...{ medianUs: 100, p10Us: 90, p90Us: 120, intervalUs: [98, 103], samples: 9, calls: 2 },
  ...{ flops: 8e6, bytes: 1e6, peakBytes: 2e6, savedBytes: 5e5, othersCpu: 0.01 },
  roofline: { limit: "compute", limitUs: 80, share: 0.8 },
  phases: [
    { phase: "routing", pass: "forward", us: 20, launches: 3 },
    { phase: "up", pass: "forward", us: 78, launches: 1 },
  ],
  peers: {
    torch: peer(150, { form: "grouped_mm" }),
    tfjs: peer(50, { note: "by means" }),
    dense: peer(90, { difference: null }),
    jax: { medianUs: null, ratio: null, reason: "no such operation" },
  },
  ...more,
});

const ceiling: Ceiling = {
  ...{ device: "cpu", dtype: "f32", threads: 1 },
  ...{ flopsPerSecond: 1e11, copyBytesPerSecond: 1.4e10, launchSeconds: 2e-6 },
};

const document = (more: Partial<BenchDocument> = {}): BenchDocument => ({
  version: 2,
  environment: {
    ...{
      date: "2026-11-26T04:20:14.504Z",
      command: "npx consilium bench moe",
      version: "0.1.0",
      commit: "0123456789abcdef",
    },
    ...{ chip: "A chip", cores: 2, affinity: "0-1", threads: 1, memoryBytes: 25e9, node: "v20.20.2", os: "Linux" },
    ...{
      flags: { CONSILIUM_SIMD: "AVX2" },
      load: { before: [0.1, 0.2, 0.3], after: [1, 1, 1] },
      device: "A chip, AVX2",
    },
    ...{
      gpu: { before: "driver 580, 1980 MHz", after: "1500 MHz" },
      simd: "AVX2",
      peers: { torch: "2.13.0", jax: "none" },
    },
  },
  ceilings: [ceiling],
  rows: [
    row(),
    row({ shape: "1024x256x704x4x2", medianUs: 190, routing: "balanced" }),
    row({ shape: "512x256x704x4x2", medianUs: 60, threads: 2 }),
    row({ medianUs: 130, routing: "one-hot", phases: null }),
    row({ roofline: { limit: "launches", limitUs: 50, share: 0.5 }, shape: "2x256x704x4x2", flops: 1e3, bytes: 1e3 }),
  ],
  skipped: [
    { suite: "moe", op: "mixtureOfExperts", pass: "forward", shape: "9x9x9x9x9", reason: "needs 99 GB of 25 GB" },
  ],
  ...more,
});

/** What documents of version 1 lack, and whatever else may be missing. */
const bare = (): BenchDocument => {
  const { intervalUs, set, routing, savedBytes, roofline, phases, othersCpu, ...old } = row({
    flops: null,
    bytes: null,
  });
  const { command, gpu, ...environment } = document().environment;
  const { intervalUs: _, ...torch } = peer(150);
  const rows: BenchRow[] = [
    { ...old, peers: { torch } },
    { ...old, flops: 0, bytes: 0, peers: {} as BenchRow["peers"] },
  ];
  return document({ environment: { ...environment, commit: null, peers: {} }, ceilings: [], rows, skipped: [] });
};

const VOID = new Set(["meta", "br", "img"]);

/** Every tag is closed in order, every attribute quoted, every & an entity. */
function wellFormed(page: string): void {
  const open: string[] = [];
  const body = page.replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "");
  let at = 0;
  for (const found of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const between = body.slice(at, found.index);
    expect(between, "text between tags").not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#39);)/);
    at = found.index + found[0].length;
    const [, closes, name, , alone] = found;
    if (closes) expect(open.pop(), `what </${name}> closes`).toBe(name);
    else if (!alone && !VOID.has(name)) open.push(name);
  }
  expect(body.slice(at).trim()).toBe("");
  expect(open).toEqual([]);
}

const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found);

describe("reportHtml", () => {
  it("is of documents that the schema accepts", () => {
    for (const made of [document(), bare()]) expect(BenchDocument.parse(made)).toEqual(made);
  });

  it("has every part of a full document", () => {
    const page = reportHtml(document());
    wellFormed(page);
    expect(all(page, /<h2>(.*?)<\/h2>/g)).toEqual([
      ...["In short", "How near to the limit", "Against peers", "Scaling", "Inside a layer", "All rows"],
      ...["Environment", "Repeat it"],
    ]);
    expect(page).toContain("<code>npx consilium bench moe</code>");
    // A row: median, spread, interval, rates, limit, memory.
    for (const cell of [
      "100 µs",
      "90.0 to 120 µs",
      "98.0 to 103 µs",
      "80.0 GFLOP/s",
      "10.0 GB/s",
      "80 %, compute",
      "2.00 MB",
      "500 kB",
    ])
      expect(page).toContain(`<td>${cell}</td>`);
    // Peers: ratio with interval and form; the reason of a blank; what is other work; where one is faster.
    expect(page).toMatch(
      /<td>torch<\/td><td>1\.50×<\/td><td>1\.4\d× to 1\.\d\d×<\/td><td>ours is faster<\/td>.*?<td><span class="long">grouped_mm; 1\.2\.3<\/span><\/td>/,
    );
    expect(page).toContain('<span class="long">no such operation</span>');
    expect(page).toMatch(/<td>dense<\/td>.*?<td>other work<\/td>/);
    expect(page).toMatch(/Where a peer is faster.*?<td>tfjs<\/td><td>0\.50×<\/td>/s);
    expect(page).toContain("needs 99 GB of 25 GB");
    expect(page).toContain("driver 580, 1980 MHz");
    expect(page).toContain("CONSILIUM_SIMD=AVX2");
    expect(page).toContain("Together 98.0 µs, 98 % of the median of the whole, 100 µs.");
  });

  it("draws ceilings, rows by what limits them, and says where launches are the limit", () => {
    const page = reportHtml(document());
    const [plot] = page.match(/<svg[^>]*aria-labelledby="roofline-1-t.*?<\/figure>/s) ?? [""];
    expect(plot.match(/class="roof"/g)).toHaveLength(2);
    expect(all(plot, /<a href="#(row-\d)"/g)).toEqual(["row-1", "row-2", "row-4", "row-5"]);
    expect(plot).toContain("limited by arithmetic");
    expect(plot).toContain("limited by launches");
    // 1e11 FLOP/s and 1.4e10 B/s for 2 µs.
    expect(plot).toContain("A launch of less than 200 kFLOP that moves less than 28.0 kB");
  });

  it("tells of a machine that was busy, and of a changed working tree", () => {
    expect(reportHtml(document())).not.toContain("not quiet");
    const busy = document({ rows: [row(), row({ othersCpu: 0.34 }), row({ othersCpu: 0.2 })] });
    expect(reportHtml(busy)).toContain("up to 34 % of the cores busy in rows 2, 3:");
    const { environment } = bare();
    const loaded = { ...bare(), environment: { ...environment, load: { before: [1.5, 1, 1], after: [1, 1, 1] } } };
    expect(reportHtml(loaded)).toContain("The load was 1.5 on 2 cores before the first row.");
    const dirty = document({ environment: { ...environment, commit: "0123456-dirty" } });
    expect(reportHtml(dirty)).toContain("Of a changed working tree.");
  });

  it("shows what there is of a document without ceilings, intervals, phases, counts, peers or rows", () => {
    const page = reportHtml(bare());
    wellFormed(page);
    expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
    expect(all(page, /<h2>(.*?)<\/h2>/g)).toEqual([
      "In short",
      "How near to the limit",
      "Against peers",
      "All rows",
      "Environment",
      "Repeat it",
    ]);
    expect(page).toContain("The command was not recorded.");
    const empty = reportHtml(document({ rows: [], ceilings: [], skipped: [] }));
    wellFormed(empty);
    expect(empty).toContain("No row was measured.");
  });

  it("escapes whatever names, notes, shapes and reasons hold; loads and runs nothing", () => {
    const evil = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("<script>alert(1)</script>", `"><img src=x onerror='a'>`, "&lt;</style>"),
    );
    fc.assert(
      fc.property(evil, (text) => {
        const made = document({
          rows: [
            row({
              name: text,
              shape: text,
              op: text,
              set: text,
              device: text,
              peers: {
                [`a${text}`]: peer(150, { form: text, note: text, version: text }),
                b: { medianUs: null, ratio: null, reason: text },
              },
            }),
          ],
          skipped: [{ suite: "moe", op: text, pass: "forward", shape: text, reason: text }],
        });
        const { environment } = made;
        const page = reportHtml({
          ...made,
          environment: { ...environment, device: text, command: text, os: text, flags: { a: text } },
        });
        wellFormed(page);
        expect(page).not.toMatch(/<script|<img|<link|<iframe|\son\w+="|url\(|@import/);
      }),
      { numRuns: 60 },
    );
  });

  it("can be read without seeing it: plots have a title and a description, tables heads, links their goals", () => {
    const page = reportHtml(document());
    const ids = all(page, /\sid="([^"]+)"/g);
    expect(new Set(ids).size).toBe(ids.length);
    const plots = page.match(/<svg[^>]*role="[^"]+"[^>]*>/g) ?? [];
    expect(plots.length).toBeGreaterThan(6);
    for (const plot of plots) {
      const [, title, description] = /aria-labelledby="(\S+) (\S+)"/.exec(plot) ?? [];
      expect(page).toContain(`<title id="${title}">`);
      expect(page).toMatch(new RegExp(`<desc id="${description}">[^<]{10,}`));
    }
    // Marks inside of plots and legends are none of their own.
    for (const svg of page.match(/<svg[^>]*>/g) ?? [])
      expect(svg).toMatch(/role=|aria-hidden="true"|overflow="visible"/);
    for (const goal of all(page, /href="#([^"]+)"/g)) expect(ids).toContain(goal);
    for (const link of page.match(/<a href[^>]*><title>/g) ?? []) expect(link).toContain("aria-label=");
    for (const table of page.match(/<table>.*?<\/table>/gs) ?? []) {
      expect(table).toMatch(/<caption class="hidden">[^<]+<\/caption>/);
      const heads = table.match(/<th scope="col">/g)?.length;
      for (const line of all(table, /<tr>(<th scope="row">.*?)<\/tr>/gs))
        expect(line.match(/<t[hd]/g)).toHaveLength(heads ?? 0);
      expect(table).not.toMatch(/<th>/);
    }
  });
});

describe("what plots are made of", () => {
  it("the interval of a ratio has that of both medians in it", () => {
    const exact = row({ intervalUs: [100, 100] });
    expect(ratioInterval(exact, peer(150, { intervalUs: [140, 165] }))?.map((r) => r.toFixed(4))).toEqual([
      "1.4000",
      "1.6500",
    ]);
    const both = ratioInterval(row({ intervalUs: [100 / 1.1, 110] }), peer(100, { intervalUs: [100 / 1.1, 110] }));
    const width = Math.exp(Math.SQRT2 * Math.log(1.1));
    expect(both?.[0]).toBeCloseTo(1 / width, 10);
    expect(both?.[1]).toBeCloseTo(width, 10);
    expect(ratioInterval(row({ intervalUs: undefined }), peer(150))).toBeNull();
  });

  it("series are rows that differ in one thing alone: a number of the shape, threads, routing", () => {
    const rows = [
      row({ shape: "512x256x704x4x2" }),
      row({ shape: "256x256x704x4x2" }),
      row({ shape: "512x256x704x8x2" }),
      row({ shape: "512x256x704x4x1" }),
      row({ shape: "512x256x704x4x2", threads: 4 }),
      row({ shape: "512x256x704x4x2", routing: "zipf" }),
      // Two things at once, or another pass: of none.
      row({ shape: "128x256x704x16x2" }),
      row({ shape: "64x256x704x4x2", pass: "backward" }),
    ];
    const found = seriesOf(numbered(document({ rows }))).map(({ axis, points }) => [
      axis,
      ...points.map(({ value, row: { n } }) => `${value}: ${n}`),
    ]);
    expect(found).toEqual([
      ["T", "256: 2", "512: 1"],
      ["E", "4: 1", "8: 3"],
      ["k", "1: 4", "2: 1"],
      ["threads", "1: 1", "4: 5"],
      ["routing", "balanced: 1", "zipf: 6"],
    ]);
    const attention = ["B1H2S64D32", "B1H2S128D32"].map((shape) =>
      row({ suite: "attention", op: "attention", shape, routing: null }),
    );
    expect(seriesOf(numbered(document({ rows: attention }))).map(({ axis }) => axis)).toEqual(["S"]);
  });

  it("numbers have three digits and a prefix", () => {
    expect([si(0, "B"), si(7, "B"), si(999.6e3, "B"), si(3.99e13, "FLOP/s"), si(1e18, "FLOP/s")]).toEqual([
      "0 B",
      "7 B",
      "1.00 MB",
      "39.9 TFLOP/s",
      "1,000 PFLOP/s",
    ]);
    expect([time(0.05), time(2.246), time(999.7), time(3.01e6)]).toEqual(["50.0 ns", "2.25 µs", "1.00 ms", "3.01 s"]);
    expect([timeRange(1890, 1920), timeRange(980, 1200)]).toEqual(["1.89 to 1.92 ms", "980 µs to 1.20 ms"]);
    expect(runs([1, 2, 3, 5, 6, 9])).toBe("1 to 3, 5, 6, 9");
  });
});

describe("csvOf", () => {
  const read = (text: string) => parse(text, { columns: true, record_delimiter: "\r\n" }) as Record<string, string>[];

  it("has a line for each peer of each row, and for rows without: what was skipped too", () => {
    const made = document({ rows: [row(), row({ peers: {} })] });
    const lines = read(csvOf(made));
    expect(lines.map(({ shape, peer: name, ratio, missing_because }) => [shape, name, ratio, missing_because])).toEqual(
      [
        ["512x256x704x4x2", "torch", "1.5", ""],
        ["512x256x704x4x2", "tfjs", "0.5", ""],
        ["512x256x704x4x2", "dense", "0.9", ""],
        ["512x256x704x4x2", "jax", "", "no such operation"],
        ["512x256x704x4x2", "", "", ""],
        ["9x9x9x9x9", "", "", "needs 99 GB of 25 GB"],
      ],
    );
    expect(lines[0]).toMatchObject({
      median_us: "100",
      interval_low_us: "98",
      flops: "8000000",
      flops_per_second: "80000000000",
    });
    expect(lines[0]).toMatchObject({
      limited_by: "compute",
      share_of_limit: "0.8",
      saved_bytes: "500000",
      form: "grouped_mm",
      peer_median_us: "150",
    });
    expect(lines[5]).toMatchObject({ median_us: "", threads: "", suite: "moe" });
  });

  it("gives back every text, and none that a spreadsheet runs", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (note) => {
        const [line] = read(csvOf(document({ rows: [row({ peers: { torch: peer(150, { note }) } })] })));
        expect(line.note).toBe(/^[=+\-@\t\r]/.test(note) ? `'${note}` : note);
      }),
    );
    for (const note of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"]) {
      const text = csvOf(document({ rows: [row({ peers: { torch: peer(150, { note }) } })] }));
      expect(text).toContain(`,"'${note}",`);
    }
  });

  it("has the same columns with nothing in them where a document has less", () => {
    const [full, less] = [document(), bare()].map((made) => csvOf(made).split("\r\n"));
    expect(less[0]).toBe(full[0]);
    expect(less).toHaveLength(4);
    expect(less.join()).not.toMatch(/undefined|null|NaN/);
  });
});

describe("tables of READMEs", () => {
  const from = (rows: BenchRow[]) => (): Measured => ({ environment: document().environment, rows });

  it("are those of bench/results: node scripts/bench-tables.mjs writes them", () => {
    const root = new URL("../../", import.meta.url);
    const measured = (name: string) => JSON.parse(readFileSync(new URL(`bench/results/${name}.json`, root), "utf8"));
    for (const file of ["README.md", "bench/README.md"]) {
      const text = readFileSync(new URL(file, root), "utf8");
      expect(withTables(text, measured), file).toBe(text);
    }
  });

  it("hold the columns and rows that are asked for, whatever stood there", () => {
    const rows = [
      row(),
      row({ pass: "forward+backward", threads: 2, peers: { torch: peer(98, { ours: "even" }) } }),
      row({ shape: "4x4" }),
    ];
    const text =
      "Before\n<!-- results: a | median, FLOP/s, torch, jax | 512x256x704x4x2 -->\n99 times faster\n<!-- end of results -->\nafter\n";
    expect(withTables(text, from(rows))).toBe(`Before
<!-- results: a | median, FLOP/s, torch, jax | 512x256x704x4x2 -->
| row | median | FLOP/s | torch | jax |
| --- | --- | --- | --- | --- |
| mixtureOfExperts forward \`512x256x704x4x2\`, 1 thread | 100 µs | 80.0 GFLOP/s | 1.50× (grouped_mm) | - |
| mixtureOfExperts forward+backward \`512x256x704x4x2\`, 2 threads | 100 µs | 80.0 GFLOP/s | ≈ 0.98× | - |

A chip, AVX2: \`results/a.json\`; commit 0123456.
<!-- end of results -->
after
`);
  });

  it("refuse columns and rows that are not there, and marks without an end", () => {
    const table = (what: string) => withTables(`<!-- results: ${what} -->\n<!-- end of results -->`, from([row()]));
    expect(() => table("a | median, tourch")).toThrow('results: no column "tourch". There: median, FLOP/s,');
    expect(() => table("a | median | backward")).toThrow(
      'results: no row "backward" in a. There: mixtureOfExperts forward 512x256x704x4x2.',
    );
    expect(() => table("a")).toThrow('results: "a" is not of the form NAMES | COLUMNS | ROWS.');
    expect(() => withTables("<!-- results: a | median -->", from([row()]))).toThrow("a table of results has no end");
  });
});
