import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type KeptSweep, withSweeps } from "../../../apps/cli/sweep/markdown.js";
import { summaryDocument, summaryOf } from "../../../apps/cli/sweep/summary.js";
import type { BenchRow } from "../../../bench/document.js";
import { type Measured, withTables } from "../../../bench/report/markdown.js";
import { RunConfig } from "../../../models/index.js";
import { document, peer, row } from "./report-document.js";

describe("tables of READMEs", () => {
  const from = (rows: BenchRow[]) => (): Measured => ({ environment: document().environment, rows });

  it("are those of the results that are kept: node scripts/bench-tables.mjs writes them", () => {
    const root = new URL("../../../", import.meta.url);
    const kept = (folder: string) => (name: string) =>
      JSON.parse(readFileSync(new URL(`${folder}/${name}.json`, root), "utf8"));
    for (const file of ["README.md", "bench/README.md", "models/miss/README.md"]) {
      const text = readFileSync(new URL(file, root), "utf8");
      expect(withSweeps(withTables(text, kept("bench/results")), kept("models/miss/results")), file).toBe(text);
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

  it("show one form of a peer by its trial", () => {
    const rows = [row({ peers: { torch: peer(98, { forms: { flash: 150, cudnn: 98 } }) } }), row({ shape: "4x4" })];
    const text = "<!-- results: a | torch as flash, torch as math -->\n<!-- end of results -->\n";
    expect(withTables(text, from(rows))).toContain("| 1.50× | - |\n");
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

  it("of a sweep hold its rows once, the chosen columns, and where they are from", () => {
    const seed = (n: number, global: number): KeptSweep["tables"][0]["rows"][0]["seeds"][0] => ({
      ...{ seed: n, done: true, rehearsed: false, steps: 6, timedSteps: 6, seconds: 12, peakBytes: 2e9, peakRss: null },
      config: RunConfig.parse({ data: { set: "organ", folder: "x" }, epochs: 1 }),
      device: { name: "cpu", description: "A chip" },
      parameters: { trainable: 5, total: 1000 },
      metrics: { opened: null, closed: null, global, details: {} },
      ...{ majority: null, warnings: [], date: "" },
    });
    const summary = summaryOf(
      { vit: "F", jtm: "F", dec: "lora", rank: 4 },
      [seed(1, 0.4), seed(2, 0.5)].map((each) => ({ version: 1 as const, row: "F-F-lora@4", ...each })),
    );
    const rows = [summaryDocument(summary)];
    const made = { command: "npx x", commit: "0123456789-dirty", date: "2026-01-02", machine: "A chip" };
    const read = (): KeptSweep => ({ made, tables: [{ rows }, { rows }] });
    const text = (columns: string) => `<!-- sweep: a | ${columns} -->\n<!-- end of sweep -->`;
    expect(withSweeps(text("Dec, rank, #Params %, global, memory, seeds"), read)).toBe(
      `<!-- sweep: a | Dec, rank, #Params %, global, memory, seeds -->
| Dec | rank | #Params % | global | memory | seeds |
| --- | --- | --- | --: | --: | --: |
| LoRA | 4 | 0.500 | 45.0 ± 7.1 | 2.0 GB | 2 |

A chip, 2026-01-02: \`results/a.json\`, commit 0123456-dirty, by
\`npx x\`.
<!-- end of sweep -->`,
    );
    expect(() => withSweeps(text("colour"), read)).toThrow('sweep: no column "colour". There: ViT, JTM, Dec, rank,');
    expect(() => withSweeps("<!-- sweep: a | Dec -->", read)).toThrow("has no end");
  });
});
