import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { renderReport } from "../../report/report.js";
import { addCommonOptions, type CommonOptions, openChosenDevice } from "../common-options.js";
import { demoReport } from "../demo-report.js";
import { demoStages, departures, fastStages } from "../demo-settings.js";
import { runStage, type StageResult, stageDocument } from "../demo-stage.js";
import { scoreTable } from "../evaluation.js";
import { UsageError } from "../exit.js";
import { bytes, clock } from "../format.js";
import { Interruption } from "../interruption.js";
import { say, writeFileIn, writeJson } from "../output.js";
import { exists } from "../run-folder.js";

interface Options extends CommonOptions {
  out: string;
  resume?: boolean;
  fast?: boolean;
}

const EXAMPLES = `
Trains a small MISS from scratch on "which part of the body is it?" and tests it on images it never saw; then tunes that
model with adapters on VQA-RAD and tests it on the official questions. Writes report.html and demo.json into --out.

Examples:
  consilium demo
  consilium demo --fast --out /tmp/demo
  consilium demo --resume`;

export function addDemo(program: Command): void {
  const command = program
    .command("demo")
    .description("train on real data from scratch, tune with adapters, report: minutes on two cores")
    .option("--out <folder>", "where models and report go", "runs/demo")
    .option("--resume", "go on with a demo that was stopped")
    .option("--fast", "a smoke run of seconds on 24 images; its numbers mean nothing");
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const { out, resume = false, fast = false, threads, memory } = options;
  const stages = fast ? fastStages : demoStages;
  // A demo starts anew where an earlier one is in the way; its folder is its own.
  if (!resume) await clear(out);
  const probe = await openChosenDevice(options);
  const device = { name: probe.name, description: probe.description };
  probe.close();
  using interruption = new Interruption();
  const again = `consilium demo${fast ? " --fast" : ""} --out ${out} --resume`;

  const results: StageResult[] = [];
  for (const stage of stages) {
    process.stderr.write(`\n${stage.title}\n`);
    const init = results.at(-1)?.folder;
    const given = { out, deviceName: device.name, threads, memory, resume, interruption, again, init };
    const result = await runStage(stage, given);
    results.push(result);
    const { scores } = result.evaluation;
    const others = {
      "shuffled images": result.shuffled.scores,
      ...(result.questionOnly && { "question only": result.questionOnly.scores }),
    };
    say(options, `\n${stage.title}\n\n${scoreTable(scores, result.majority, others)}`);
    say(
      options,
      `${clock(result.seconds)}, ${bytes(result.peakBytes)} on the device at most, ${bytes(result.peakRss)} in the process\n`,
    );
  }
  const seconds = (performance.now() - started) / 1000;
  const document = {
    version: 1,
    command: "demo",
    fast,
    device,
    seconds,
    departures,
    stages: results.map(stageDocument),
  };
  await writeFileIn(join(out, "demo.json"), `${JSON.stringify(document, null, 2)}\n`);
  const report = renderReport(await demoReport({ fast, seconds, device, stages: results }));
  await writeFileIn(join(out, "report.html"), report);
  await writeJson(options, document);
  say(options, `done in ${clock(seconds)}. Report: ${join(out, "report.html")}`);
}

/** Removes the run folders of an earlier demo, and nothing else. */
async function clear(out: string): Promise<void> {
  if (!(await exists(out))) return;
  const ours = await exists(join(out, "demo.json"));
  for (const { name } of demoStages)
    for (const folder of [join(out, name), join(out, `${name}-question-only`)]) {
      if (!(await exists(folder))) continue;
      if (!ours && !(await exists(join(folder, "run.json"))))
        throw new UsageError(`${folder} is no run of the demo. Choose another --out.`);
      await rm(folder, { recursive: true });
    }
}
