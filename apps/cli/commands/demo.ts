import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { RUN_FILE } from "../../../models/index.js";
import { renderReport } from "../../report/report.js";
import { runMedMoeDemo } from "../demo/med-moe.js";
import { compared, medMoeDocument } from "../demo/med-moe-report.js";
import { demoReport } from "../demo/report.js";
import { demoStages, departures, fastStages } from "../demo/settings.js";
import { runStage, type StageResult, sinceResume, stageDocument } from "../demo/stage.js";
import { scoreTable } from "../eval/evaluation.js";
import { warnings } from "../eval/leak.js";
import { commandLine, commonFlags } from "../options/command-line.js";
import { addCommonOptions, type CommonOptions, openChosenDevice, wholeNumber } from "../options/common-options.js";
import { checkVqaRad } from "../package-files.js";
import { UsageError } from "../terminal/exit.js";
import { bytes, clock, short } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { say, writeFileIn, writeJson } from "../terminal/output.js";
import { exists } from "../train/run-folder.js";

interface Options extends CommonOptions {
  out: string;
  resume?: boolean;
  fast?: boolean;
  seed?: number;
  seeds: number;
  reportImages?: boolean;
}

const EXAMPLES = `
Trains a small MISS from scratch on "which part of the body is it?" and tests it on images it never saw; then tunes that
model with adapters on VQA-RAD and tests it on the official questions. Then trains a small Med-MoE from scratch through all its
stages, beside a dense control, and tests it on images that it never saw. Writes report.html and demo.json into --out.

Examples:
  consilium demo
  consilium demo --fast --out /tmp/demo
  consilium demo --resume`;

export function addDemo(command: Command): void {
  command
    .option("--out <folder>", "where models and report go", "runs/demo")
    .option("--resume", "measure and report a finished demo again; one that was stopped goes on without it")
    .option("--seed <n>", "of the weights, the order and the split of training images (default: 42)", wholeNumber)
    .option("--seeds <n>", "Med-MoE: how many seeds of mixtures and dense control", wholeNumber, 1)
    .option("--report-images", "put thumbnails of test images into the report (default: no image leaves the data set)")
    .option("--fast", "a smoke run on 24 images, seconds on the cpu; its numbers mean nothing");
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const { out, fast = false, seed, threads, memory } = options;
  const stages = fast ? fastStages : demoStages;
  checkVqaRad();
  const resume = await prepare(out, options.resume ?? false);
  const probe = await openChosenDevice(options);
  const device = { name: probe.name, description: probe.description };
  probe.close();
  using interruption = new Interruption();
  const deviceName = options.device ?? device.name;
  const flags = commonFlags(options, deviceName);
  if (options.seeds < 1) throw new UsageError("--seeds is a whole number from 1.");
  const ofSeed = [
    ...(seed === undefined ? [] : ["--seed", String(seed)]),
    ...(options.seeds === 1 ? [] : ["--seeds", String(options.seeds)]),
  ];
  const how = [...(fast ? ["--fast"] : []), ...ofSeed, ...(options.reportImages ? ["--report-images"] : [])];
  const again = commandLine("demo", ...how, "--out", out, "--resume", ...flags);

  const results: StageResult[] = [];
  for (const stage of stages) {
    process.stderr.write(`\n${stage.title}\n`);
    const init = results.at(-1)?.folder;
    const given = { out, deviceName, threads, memory, seed, resume, interruption, again, init };
    const result = await runStage(stage, given);
    results.push(result);
    const { scores } = result.evaluation;
    const others = {
      "shuffled images": result.shuffled.scores,
      "question only": result.questionOnly.scores,
    };
    say(options, `\n${stage.title}\n\n${scoreTable(scores, result.majority, others)}`);
    for (const warning of warnings(result.training, result.config.data)) say(options, warning);
    say(
      options,
      `${clock(result.seconds)}, ${bytes(result.peakBytes)} on the device at most, ${bytes(result.peakRss)} in the process${sinceResume(result)}\n`,
    );
  }
  const medMoe = await runMedMoeDemo({
    out: join(out, MED_MOE),
    deviceName,
    threads,
    memory,
    seed: seed ?? DEFAULT_SEED,
    seeds: options.seeds,
    fast,
    interruption,
    again,
    say: (text) => void process.stderr.write(`\n${text}\n`),
  });
  for (const control of medMoe.controls) say(options, compared(control));
  for (const { layer, pValue } of medMoe.shares)
    say(
      options,
      `layer ${layer}: do experts' shares differ by part of the body? permutation test p = ${short(pValue)}`,
    );
  say(options, `Med-MoE: ${clock(medMoe.seconds)}, ${bytes(medMoe.peakBytes)} on the device at most`);
  const seconds = (performance.now() - started) / 1000;
  const document = {
    version: 1,
    command: "demo",
    fast,
    device,
    seconds,
    departures: departures(stages),
    stages: results.map(stageDocument),
    medMoe: medMoeDocument(medMoe),
  };
  const report = renderReport(
    await demoReport({ fast, seconds, device, stages: results, medMoe, images: options.reportImages ?? false }),
  );
  await writeFileIn(join(out, REPORT), report);
  // The last file: where it is, the demo is finished.
  await writeFileIn(join(out, DOCUMENT), `${JSON.stringify(document, null, 2)}\n`);
  await writeJson(options, document);
  say(options, `done in ${clock(seconds)}. Report: ${join(out, REPORT)}`);
}

/** Folder of the small Med-MoE's stages. */
const MED_MOE = "med-moe";
const DEFAULT_SEED = 42;
const REPORT = "report.html";
const DOCUMENT = "demo.json";

/**
 * Clears the results of an earlier demo out of the way. One that was stopped goes on: nothing that it kept is lost; a
 * finished one makes room, unless it is resumed. True where there is something to go on with.
 */
async function prepare(out: string, resume: boolean): Promise<boolean> {
  const folders: string[] = [];
  for (const { name } of demoStages)
    for (const folder of [join(out, name), join(out, `${name}-question-only`)])
      if (await exists(folder)) folders.push(folder);
  for (const folder of folders)
    if (!(await exists(join(folder, RUN_FILE))) && (await readdir(folder)).some((name) => !name.startsWith(".")))
      throw new UsageError(`${folder} is no run of the demo. Choose another --out.`);
  const medMoe = join(out, MED_MOE);
  if (await exists(medMoe)) {
    if (!(await exists(join(medMoe, "base", "config.json"))) && (await readdir(medMoe)).length > 0)
      throw new UsageError(`${medMoe} is no run of the demo. Choose another --out.`);
    folders.push(medMoe);
  }
  const finished = await exists(join(out, DOCUMENT));
  if (resume && folders.length === 0)
    throw new UsageError(`${out} holds no demo to go on with. Check --out, or leave out --resume to start one.`);
  // What is measured again replaces the old results when it is done.
  if (resume) return true;
  if (finished) for (const name of [DOCUMENT, REPORT]) await rm(join(out, name), { force: true });
  if (!finished && folders.length > 0) {
    process.stderr.write(
      `${out} holds a demo that was stopped: going on with it. Choose another --out to start anew.\n`,
    );
    return true;
  }
  if (finished)
    process.stderr.write(
      `${out} held a finished demo: starting anew in its place. --resume would have measured it again, another --out kept it.\n`,
    );
  for (const folder of folders) await rm(folder, { recursive: true });
  return false;
}
