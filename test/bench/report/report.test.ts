import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { benchDocumentSchema } from "../../../bench/document.js";
import { reportHtml } from "../../../bench/report/index.js";
import { runs, si, time, timeRange } from "../../../bench/report/quantities.js";
import { numbered, ratioInterval } from "../../../bench/report/rows.js";
import { seriesOf } from "../../../bench/report/scaling.js";
import { all, bare, ceiling, document, peer, row, wellFormed } from "./report-document.js";

describe("reportHtml", () => {
  it("is of documents that the schema accepts", () => {
    for (const made of [document(), bare()]) expect(benchDocumentSchema.parse(made)).toEqual(made);
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
    const unsteady = document({ ceilings: [{ ...ceiling, drift: 0.25 }] });
    expect(reportHtml(unsteady)).toContain("differed by up to 25 % between before and after the rows");
    expect(reportHtml(document({ ceilings: [{ ...ceiling, drift: 0.02 }] }))).not.toContain("speed changed");
    const { environment } = bare();
    const loaded = { ...bare(), environment: { ...environment, load: { before: [1.5, 1, 1], after: [1, 1, 1] } } };
    expect(reportHtml(loaded)).toContain("The load was 1.5 on 2 cores before the first row.");
    const dirty = document({ environment: { ...environment, commit: "0123456-dirty" } });
    expect(reportHtml(dirty)).toContain("Of a changed working tree.");
  });

  it("keeps numbers of points off the words at the roof", () => {
    // A little above the roof, where the words are, at the right.
    const at = row({ flops: 1e9, bytes: 1e6, medianUs: 9_500, roofline: null });
    const place = (page: string) => /<text class="point" x="(-?\d+)" y="(-?\d+)"/.exec(page)?.slice(1);
    expect(place(reportHtml(document({ rows: [at], ceilings: [] })))).toEqual(["0", "13"]);
    const beside = place(reportHtml(document({ rows: [at] })));
    expect(beside).toEqual(["0", "-13"]);
  });

  it("says that a run was interrupted, and when", () => {
    expect(reportHtml(document())).not.toContain("interrupted");
    const some = reportHtml(document({ interrupted: true }));
    expect(some).toMatch(
      /The run was interrupted\..*stopped when 5 rows were done: what else was asked for is missing\./s,
    );
    const none = reportHtml(document({ interrupted: true, rows: [] }));
    wellFormed(none);
    expect(none).toMatch(/The run was interrupted.*before a row was done:/s);
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
