import { availableParallelism } from "node:os";
import { Argument, type Command, Option } from "commander";
import type { DeviceName } from "../../../engine/index.js";
import { addCommonOptions, type CommonOptions, finiteNumber, list } from "../common-options.js";
import { writeJson } from "../output.js";

const SUITES = ["matmul", "attention", "lora", "step", "all"] as const;

interface Options extends CommonOptions {
  shapes?: string;
  peers: string[];
  budgetSeconds: number;
}

export function addBench(program: Command): void {
  const command = program
    .command("bench")
    .description("time kernels and whole training steps, beside other libraries where they are installed")
    .addArgument(new Argument("[suite]", "what to time").choices(SUITES).default("all"))
    .option("--shapes <list>", "shapes to time instead of the suite's own")
    .option("--peers <list>", "libraries to compare with, with commas between them", list, [])
    .addOption(new Option("--budget-seconds <n>", "time for all rows together").argParser(finiteNumber).default(120));
  addCommonOptions(command)
    .addHelpText("after", "\nExamples:\n  consilium bench matmul --json matmul.json\n  consilium bench all --threads 1 --budget-seconds 60")
    .action(run);
}

interface BenchOptions {
  readonly shapes?: string;
  readonly threads: number;
  readonly peers: readonly string[];
  readonly budgetSeconds: number;
  readonly device?: DeviceName;
}

/** What bench/run.ts exports. It is loaded when it is needed: other libraries come with it. */
interface BenchModule {
  runBench(suite: string, options: BenchOptions): Promise<object>;
}

const MODULE = "../../../bench/run.js";

async function run(suite: string, options: Options): Promise<void> {
  const { shapes, peers, budgetSeconds, device, threads = availableParallelism() } = options;
  const { runBench } = (await import(MODULE)) as BenchModule;
  await writeJson(options, await runBench(suite, { shapes, peers, budgetSeconds, device, threads }));
}
