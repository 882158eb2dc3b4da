import type { Command } from "commander";
import type { VerifyReport } from "../../../models/index.js";
import { addCommonOptions, type CommonOptions, list, openChosenDevice } from "../options/common-options.js";
import { Failed } from "../terminal/exit.js";
import { count, short } from "../terminal/format.js";
import { memoryUsed, say, writeJson } from "../terminal/output.js";
import { table } from "../terminal/table.js";

interface Options extends CommonOptions {
  only?: string[];
}

export function addVerify(command: Command): void {
  command
    .argument("<folder>", "folder with manifest.json, inputs and expected tensors")
    .option("--only <scenarios>", "some scenarios, with commas between them", list);
  addCommonOptions(command)
    .addHelpText(
      "after",
      "\nExits with 1 when a tensor is beyond its tolerance or one that is expected was not compared.\n\nExamples:\n" +
        "  consilium verify test/fixtures/miss --only full,lora\n  consilium verify test/fixtures/med-moe --only stablelm.top1\n  consilium verify golden --device reference --json report.json",
    )
    .action(run);
}

async function run(folder: string, options: Options): Promise<void> {
  const started = performance.now();
  using device = await openChosenDevice(options);
  const onScenario = (name: string) => process.stderr.write(`scenario ${name}\n`);
  const { verify } = await import("../../../models/index.js");
  const report = await verify(folder, device, { only: options.only, onScenario });
  say(options, summary(report));
  await writeJson(options, {
    version: 1,
    command: "verify",
    device: { name: device.name, description: device.description },
    folder,
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    passed: report.passed,
    rows: report.rows,
    missed: report.missed,
  });
  if (!report.passed) throw new Failed();
}

function summary({ rows, missed, passed }: VerifyReport): string {
  const body = rows.map((r) => [
    r.scenario,
    r.tensor,
    count(r.elements),
    short(r.error),
    short(r.tolerance),
    r.passed ? "ok" : "BEYOND",
  ]);
  const failed = rows.filter((r) => !r.passed).length;
  const masked = rows.reduce((sum, r) => sum + (r.masked ?? 0), 0);
  const lines = [
    table([["scenario", "tensor", "values", "worst error", "tolerance", ""], ...body]),
    ...(masked > 0 ? [`${count(masked)} values left out: rounding noise decides them in AdamW's steps`] : []),
    ...missed.map((m) => `not compared: ${m.scenario}: ${m.tensor}: ${m.reason}`),
    `${rows.length} compared, ${failed} beyond tolerance, ${missed.length} not compared: ${passed ? "passed" : "FAILED"}`,
  ];
  return lines.join("\n");
}
