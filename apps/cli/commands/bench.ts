import { once } from "node:events";
import { type Command, Option } from "commander";
import { PEERS, peerNames } from "../../../bench/contenders/names.js";
import { DEFAULTS } from "../../../bench/defaults.js";
import type { BenchDocument, BenchOptions } from "../../../bench/run.js";
import type { Progress } from "../../../bench/run-tasks.js";
import { readRouting } from "../../../bench/shapes/read-routing.js";
import { SELECTIONS, SUITES, type Suite } from "../../../bench/suites/names.js";
import { OptionError } from "../../../engine/index.js";
import { ALL_FLOATS } from "../../../kernels/contract.js";
import {
  addCommonOptions,
  type CommonOptions,
  duration,
  finiteNumber,
  list,
  THREADS,
  threadCount,
  wholeNumber,
} from "../options/common-options.js";
import { Failed, Interrupted, UsageError } from "../terminal/exit.js";
import { Interruption } from "../terminal/interruption.js";
import { prepareFile, say, writeFileIn, writeJson } from "../terminal/output.js";

interface Options extends Omit<CommonOptions, "threads"> {
  /** Several: all rows with each. */
  threads?: number[];
  shapes?: string;
  routing?: string;
  pass?: BenchOptions["pass"];
  peers: string[];
  /** Seconds. */
  peerLimit: number;
  dtype: BenchOptions["dtype"];
  kernel?: string;
  /** Seconds. */
  budget: number;
  csv?: string;
  html?: string;
  compare?: string;
  failBelow?: number;
  failUnclear?: boolean;
  failMissing?: boolean;
  page?: boolean;
  port: number;
}

const EXAMPLES = `
Examples:
  consilium bench --html report.html
  consilium bench moe --shapes mixtral-8x7b-mini,512x256x704x4x2 --routing zipf --peers torch,ort
  consilium bench attention --device webgpu --peers tfjs,jax,ort --json attention.json
  consilium bench matmul --compare before.json --fail-below 0.95
  consilium bench grouped-gemm --device webgpu --kernel grouped-gemm/forward=mine.wgsl
  consilium bench --page`;

export function addBench(command: Command): void {
  command
    .argument("[suite]", `what to time: ${[...SELECTIONS, ...SUITES].join(", ")}`, "quick")
    .option("--shapes <list>", "published sets by name, or shapes, instead of the suite's own: see bench/README.md")
    .option(
      "--routing <how>",
      "how tokens spread over experts: balanced, zipf, one-hot, or a JSON file of each expert's rows",
    )
    .addOption(
      new Option("--pass <pass>", "forward alone, backward alone, or both in one").choices([
        "forward",
        "backward",
        "both",
      ]),
    )
    .addOption(new Option("--dtype <type>", "storage type of inputs and results").choices(ALL_FLOATS).default("f32"))
    .addOption(
      new Option("--budget <time>", "for all rows together: 60s, 10m")
        .argParser(duration)
        .default(DEFAULTS.budgetSeconds, "2m"),
    )
    .option("--peers <list>", `what to compare with: some of ${peerNames.join(", ")}`, list, [])
    .addOption(
      new Option("--peer-limit <time>", "a peer that takes longer for a piece is stopped")
        .argParser(duration)
        .default(DEFAULTS.peerLimitSeconds, "60s"),
    )
    .option("--fail-missing", "exit with 1, before anything is measured, where a peer that is asked for does not start")
    .option(
      "--kernel <file>",
      "a .wgsl or .cu file of yours in place of one of ours, as another peer: matmul/forward=mine.wgsl",
    )
    .optionsGroup("Results:")
    .option("--csv <file>", "also write the rows as a table")
    .option("--html <file>", "also write a report: one page, with plots")
    .option("--compare <file>", "what moved beyond noise since an earlier --json")
    .option(
      "--fail-below <ratio>",
      "with --compare: exit with 1 where a row has less than this share of its earlier speed, or no row can be judged",
      share,
    )
    .option("--fail-unclear", "with --fail-below: exit with 1 also where a row is too noisy to tell, or has no samples")
    .optionsGroup("In a browser:")
    .option("--page", "serve a page that measures in the visitor's browser, on WebGPU")
    .option("--port <number>", "of the page; 0 takes a free one", portNumber, 8080);
  const threads = new Option(
    "--threads <list>",
    `${THREADS} and of peers; several, as 1,2,4, measure all rows with each (default: the cores this process may use)`,
  ).argParser((text) => list(text).map((count) => threadCount(count)));
  addCommonOptions(command, { threads, defaultDevice: DEFAULTS.device })
    .addHelpText(
      "after",
      `\nPeers:\n${peerNames.map((name) => `  ${name.padEnd(13)}${PEERS[name].what}`).join("\n")}\n${EXAMPLES}`,
    )
    .action((suite: Suite, options: Options) => run(suite, options).catch(usage));
}

const usage = (error: unknown): never => {
  throw error instanceof OptionError ? new UsageError(error.message) : error;
};

function share(text: string): number {
  const value = finiteNumber(text);
  if (value <= 0 || value > 1)
    throw new UsageError(`--fail-below ${text}: it is a ratio above 0 and at most 1, as 0.95.`);
  return value;
}

function portNumber(text: string): number {
  const value = wholeNumber(text);
  if (value > 65_535) throw new UsageError(`--port ${text}: it is a number from 0 to 65535.`);
  return value;
}

/** What a page asks its visitor for, or has links for. */
const NOT_OF_A_PAGE = {
  ...{ shapes: "--shapes", routing: "--routing", pass: "--pass", kernel: "--kernel" },
  ...{ json: "--json", csv: "--csv", html: "--html", compare: "--compare", failBelow: "--fail-below" },
  failUnclear: "--fail-unclear",
  failMissing: "--fail-missing",
} as const satisfies Partial<Record<keyof Options, string>>;

async function run(suite: Suite, options: Options): Promise<void> {
  const { page, port, compare, failBelow, failUnclear: strict = false, csv, html } = options;
  if (page) {
    for (const [name, flag] of Object.entries(NOT_OF_A_PAGE))
      if (options[name as keyof typeof NOT_OF_A_PAGE] !== undefined)
        throw new UsageError(`${flag}: not with --page, where the visitor chooses.`);
    return serve(port);
  }
  if (failBelow !== undefined && compare === undefined) throw new UsageError("--fail-below needs --compare FILE.");
  if (strict && failBelow === undefined) throw new UsageError("--fail-unclear needs --fail-below RATIO.");
  for (const file of [csv, html])
    if (file !== undefined)
      await prepareFile(file).catch((error) => {
        throw new UsageError(error.message);
      });
  // Loaded when it is needed: help does without it.
  const [{ runBench }, { compareDocuments, comparisonText, hasPassed, judge, judgementText }, { readDocument }] =
    await Promise.all([
      import("../../../bench/run.js"),
      import("../../../bench/compare/index.js"),
      import("../../../bench/read-document.js"),
    ]);
  // An earlier run that does not read must not cost a new one.
  const before = compare === undefined ? null : readDocument(compare);
  using interruption = new Interruption("the rows so far");
  const { signal } = interruption;
  const document = await runBench(suite, { ...(await settings(options)), signal });
  await write(document, options);
  if (before) {
    const comparison = compareDocuments(before, document);
    say(options, comparisonText(comparison));
    // Of a run that was stopped, what is missing proves nothing.
    if (failBelow !== undefined && !signal.aborted) {
      const judgement = judge(comparison, failBelow);
      say(options, judgementText(judgement, failBelow, { strict }));
      if (!hasPassed(judgement, { strict })) throw new Failed();
    }
  }
  if (signal.aborted) throw new Interrupted(`stopped; rows that were done: ${document.rows.length}.`);
  // Reasons are in what was printed.
  if (document.rows.length === 0) throw new Failed();
}

async function settings(options: Options): Promise<BenchOptions> {
  const { shapes, pass, dtype, peers, peerLimit, kernel, budget, memory } = options;
  const { device, threads, routing, failMissing } = options;
  return {
    ...{ shapes, pass, dtype, peers, kernel, device, threads, failMissing },
    ...(routing !== undefined && { routing: await readRouting(routing) }),
    peerLimitSeconds: peerLimit,
    budgetSeconds: budget,
    memoryBudget: memory,
    command: ["consilium", ...process.argv.slice(2)].map(quoted).join(" "),
    onProgress,
    onMissingPeer: (peer, reason) => void process.stderr.write(`${peer} is missing: ${reason}\n`),
  };
}

const onProgress = ({ row, rows, text, secondsLeft }: Progress) =>
  void process.stderr.write(`${row < 0 ? "" : `${row + 1}/${rows} `}${text}, ${Math.ceil(secondsLeft)} s left\n`);

/** As a shell takes it. */
const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

async function write(document: BenchDocument, options: Options): Promise<void> {
  const { summary } = await import("../bench/summary.js");
  say(options, summary(document));
  await writeJson(options, document);
  const { csv, html } = options;
  if (csv === undefined && html === undefined) return;
  const { csvOf, reportHtml } = await import("../../../bench/report/index.js");
  if (csv !== undefined) await writeFileIn(csv, csvOf(document));
  if (html !== undefined) await writeFileIn(html, reportHtml(document));
}

async function serve(port: number): Promise<void> {
  const { servePage } = await import("../../../bench/page/serve.js");
  const { url, close } = await servePage(port);
  process.stderr.write(`The page is at ${url} until Ctrl-C.\n`);
  await Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  close();
}
