import { availableParallelism } from "node:os";
import { Argument, type Command, Option } from "commander";
import { peerNames } from "../../../bench/contenders/names.js";
import type { BenchDocument, BenchOptions, BenchRow } from "../../../bench/run.js";
import type { Progress } from "../../../bench/run-tasks.js";
import { SUITES, type Suite } from "../../../bench/suites/names.js";
import { OptionError } from "../../../engine/index.js";
import { addCommonOptions, type CommonOptions, duration, list } from "../options/common-options.js";
import { Interrupted, UsageError } from "../terminal/exit.js";
import { short } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { say, writeJson } from "../terminal/output.js";
import { table } from "../terminal/table.js";

interface Options extends CommonOptions {
  shapes?: string;
  peers: string[];
  dtype: BenchOptions["dtype"];
  /** Seconds. */
  budget: number;
}

const EXAMPLES = `
Examples:
  consilium bench matmul --threads 1 --json matmul.json
  consilium bench matmul --shapes 512x768x768 --peers ort,torch
  consilium bench attention --device webgpu --peers tfjs,jax,ort
  consilium bench all --budget 60s`;

export function addBench(command: Command): void {
  command
    .addArgument(new Argument("[suite]", "what to time").choices([...SUITES, "all"]).default("all"))
    .option("--shapes <list>", "shapes to time instead of the suite's own, with commas between them")
    .option("--peers <list>", `what to compare with: some of ${peerNames.join(", ")}`, list, [])
    .addOption(
      new Option("--dtype <type>", "storage type of inputs and results").choices(["f32", "bf16", "f16"]).default("f32"),
    )
    .addOption(new Option("--budget <time>", "for all rows together: 60s, 10m").argParser(duration).default(120, "2m"));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(suite: Suite, options: Options): Promise<void> {
  // Loaded when it is needed: help does without it.
  const { runBench } = await import("../../../bench/run.js");
  const { shapes, peers, dtype, budget, memory, device = "cpu", threads = availableParallelism() } = options;
  const onProgress = ({ row, rows, text, secondsLeft }: Progress) =>
    void process.stderr.write(`${row + 1}/${rows} ${text}, ${Math.ceil(secondsLeft)} s left\n`);
  using interruption = new Interruption("the rows so far");
  const { signal } = interruption;
  const settings = { signal, shapes, peers, dtype, budgetSeconds: budget, threads, memoryBudget: memory, onProgress };
  const document = await runBench(suite, { ...settings, device }).catch((error) => {
    throw error instanceof OptionError ? new UsageError(error.message) : error;
  });
  say(options, summary(document, peers));
  await writeJson(options, document);
  if (signal.aborted) throw new Interrupted(`stopped; rows that were done: ${document.rows.length}.`);
}

function summary({ rows, environment }: BenchDocument, peers: readonly string[]): string {
  const head = [
    "operation",
    "pass",
    "shape",
    "median us",
    "10 % to 90 %",
    "CPU us",
    "enqueue us",
    "device us",
    "launches",
    "ops",
    "GFLOP/s",
    ...peers.map((p) => `${p} us (ratio)`),
  ];
  const body = rows.map((row) => [
    row.op,
    row.pass,
    row.shape,
    short(row.medianUs),
    `${short(row.p10Us)} to ${short(row.p90Us)}`,
    row.cpu ? short(row.cpu.medianUs) : "",
    row.call ? short(row.call.enqueueUs) : "",
    row.call?.deviceUs ? short(row.call.deviceUs) : "",
    row.call ? short(row.call.launches) : "",
    row.call?.ops ? `${short(row.call.ops)}${row.call.recorded ? ` (${short(row.call.recorded)} taped)` : ""}` : "",
    row.flops === null ? "" : short(row.flops / row.medianUs / 1000),
    ...peers.map((name) => peerCell(row.peers[name])),
  ]);
  const load = environment.load.before[0].toFixed(1);
  return `${table([head, ...body])}${environment.device}; load before: ${load}. A ratio above 1: the other library is slower.\n`;
}

function peerCell(peer: BenchRow["peers"][string]): string {
  if (peer.medianUs === null) return `- (${peer.reason})`;
  const cpu = peer.cpu && peer.cpuRatio ? `, CPU ${short(peer.cpu.medianUs)} (${peer.cpuRatio.toFixed(2)})` : "";
  return `${short(peer.medianUs)} (${peer.ratio.toFixed(2)}, ours ${peer.ours}${cpu})`;
}
