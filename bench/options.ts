import { availableParallelism } from "node:os";
import { MAX_THREADS } from "../bindings/device.js";
import { OptionError } from "../engine/index.js";
import { didYouMean } from "../engine/io/nearest.js";
import { ALL_FLOATS } from "../kernels/contract.js";
import { DEFAULTS } from "./defaults.js";
import type { BenchOptions } from "./run.js";
import { NAMED_ROUTINGS } from "./shapes/routing.js";
import { PASS_OPTIONS } from "./suites/index.js";

type Checked = Omit<BenchOptions, "threads"> & Required<Pick<BenchOptions, "device" | "budgetSeconds">>;

/** With one number of threads or several, each once, in the order they were asked for. */
export interface CheckedOptions extends Checked {
  readonly threads: readonly number[];
}

/** All that `runBench` takes. */
const KNOWN: Readonly<Record<keyof BenchOptions, true>> = {
  ...{ shapes: true, routing: true, pass: true, threads: true, peers: true, kernel: true, failMissing: true },
  ...{ peerLimitSeconds: true, budgetSeconds: true, device: true, dtype: true, memoryBudget: true, command: true },
  ...{ onProgress: true, onMissingPeer: true, signal: true },
};

/** The options with their defaults. Throws OptionError for what is unknown or no such value, before anything is opened. */
export function checkedOptions(options: BenchOptions): CheckedOptions {
  const names = Object.keys(KNOWN);
  for (const name of Object.keys(options))
    if (!Object.hasOwn(KNOWN, name))
      throw new OptionError(
        `bench: there is no option "${name}". ${didYouMean(name, names)}Options: ${names.join(", ")}.`,
      );
  const { device = DEFAULTS.device, budgetSeconds = DEFAULTS.budgetSeconds } = options;
  const { peerLimitSeconds = DEFAULTS.peerLimitSeconds, pass, dtype, routing } = options;
  oneOf("pass", pass, Object.keys(PASS_OPTIONS));
  oneOf("dtype", dtype, ALL_FLOATS);
  if (typeof routing !== "object")
    oneOf("routing", routing, NAMED_ROUTINGS as readonly string[], ", or what readRouting gives");
  seconds("budgetSeconds", budgetSeconds);
  seconds("peerLimitSeconds", peerLimitSeconds);
  return { ...options, device, budgetSeconds, peerLimitSeconds, threads: threadCounts(options.threads, device) };
}

function oneOf(name: string, value: unknown, known: readonly string[], more = ""): void {
  if (value === undefined || known.includes(value as string)) return;
  throw new OptionError(
    `bench: ${name} "${value}": there is no such ${name}. ${didYouMean(String(value), known)}It takes ${known.join(", ")}${more}.`,
  );
}

function seconds(name: string, value: unknown): void {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
    throw new OptionError(`bench: ${name} ${value}: it is a number of seconds from 0.`);
}

function threadCounts(threads: BenchOptions["threads"] = availableParallelism(), device: string): number[] {
  const counts = [...new Set([threads].flat())];
  // The last of them is opened after the others were measured.
  const bad = counts.find((count) => !Number.isInteger(count) || count < 1 || count > MAX_THREADS);
  if (bad !== undefined || counts.length === 0)
    throw new OptionError(
      `bench: threads are a whole number from 1 to ${MAX_THREADS}, or several of them, not ${bad ?? "none"}.`,
    );
  if (counts.length > 1 && device !== "cpu")
    throw new OptionError(
      `bench: --threads ${counts.join(",")}: ${device} has no threads of ours. Use --device cpu, or one number.`,
    );
  return counts;
}
