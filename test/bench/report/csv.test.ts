import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvOf } from "../../../bench/report/index.js";
import { bare, document, peer, row } from "./report-document.js";

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

  it("has what the device reached beside each row that was measured under the same conditions", () => {
    const lines = read(csvOf(document({ rows: [row({ peers: {} }), row({ peers: {}, threads: 2 })] })));
    const names = ["ceiling_flops_per_second", "ceiling_copy_bytes_per_second", "ceiling_launch_us"];
    const found = lines.map((line) => names.map((name) => line[name]));
    expect(found).toEqual([
      ["100000000000", "14000000000", "2"],
      ["", "", ""],
      ["", "", ""],
    ]);
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
