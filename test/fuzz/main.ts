/** What `npm run fuzz` runs: a campaign of many files, or a single one again. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { campaign, type Part } from "./campaign.js";
import { caseOf, numbersOf } from "./cases.js";
import { formats } from "./formats/index.js";
import { readCase } from "./read-case.js";
import { sharePastHeader, table } from "./table.js";

/** The parts of a campaign of `total` files, of the kinds whose name begins with `only`. */
export function partsOf(total: number, only = ""): Part[] {
  const chosen = formats.filter(({ name }) => name.toLowerCase().startsWith(only.toLowerCase()));
  return [...numbersOf(total, chosen)].map(([{ name, header }, to]) => ({ format: name, header, from: 0, to }));
}

export interface MainOptions {
  readonly child: string;
  readonly files: number;
  readonly only: string;
}

/** Reads that many files, prints what became of them. Whether every reader kept its promises. */
export async function many({ child, files, only }: MainOptions): Promise<boolean> {
  const report = await campaign(partsOf(files, only), {
    child,
    onRow: ({ format, files }) => process.stderr.write(`${format}: ${files} files\n`),
  });
  process.stdout.write(`${table(report)}\n`);
  for (const { name, what } of report.faults) process.stdout.write(`\n${name}: ${what}\n`);
  process.stdout.write(
    `\n${report.faults.length} faults; ${(100 * sharePastHeader(report)).toFixed(1)} % past the header\n`,
  );
  return report.faults.length === 0;
}

/** Reads `PNG#17` alone, in this process, and leaves it in `keep` where that is given. */
export async function again(name: string, keep?: string): Promise<boolean> {
  const [, of, number] = /^(.+)#(\d+)$/.exec(name) ?? [];
  const format = formats.find((known) => known.name === of);
  if (!format)
    throw new Error(`${name} is no case: write FORMAT#NUMBER; formats are ${formats.map((f) => f.name).join(", ")}`);
  const one = await caseOf(format, Number(number));
  if (keep !== undefined) {
    if (!existsSync(keep)) mkdirSync(keep, { recursive: true });
    for (const [file, content] of Object.entries({ ...one.sample.beside, [one.sample.name]: one.bytes }))
      writeFileSync(join(keep, file), content);
  }
  const scratch = mkdtempSync(join(tmpdir(), "consilium-fuzz-"));
  try {
    const outcome = await readCase(one, scratch);
    process.stdout.write(`${JSON.stringify(outcome, null, 1)}\n`);
    return outcome.fault === null;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
