/** A small campaign; `npm run fuzz` is the large one. */
import { expect, test } from "vitest";
import { bundleFuzz } from "../../scripts/fuzz.mjs";
import { campaign, type Report } from "./campaign.js";
import { partsOf } from "./main.js";
import { sharePastHeader, table } from "./table.js";

const FILES = Number(process.env.CONSILIUM_FUZZ ?? 1000);

test(
  `${FILES} damaged files: no crash, no hang, bounded memory, always an error that names the file`,
  async () => {
    const { child } = await bundleFuzz();
    const report: Report = await campaign(partsOf(FILES), { child });
    expect(report.faults, table(report)).toEqual([]);
    expect(sharePastHeader(report), table(report)).toBeGreaterThan(0.3);
    // Readers that take everything, or nothing, would be no test.
    const parsed = report.rows.reduce((sum, row) => sum + row.parsed, 0);
    expect(Math.min(parsed, FILES - parsed), table(report)).toBeGreaterThan(FILES / 10);
  },
  Math.max(120_000, FILES * 100),
);
