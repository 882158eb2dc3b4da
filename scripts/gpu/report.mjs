// gpu.json: what a host and its GPU are like, what was run, what was not and why, and the rows of the benchmarks.
import { spawnSync } from "node:child_process";
import os from "node:os";

const FIELDS = [
  ...["name", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem"],
  ...["power.draw", "power.limit", "temperature.gpu"],
];

/** What a command prints, or null where it does not run. */
export function ask(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/** Each GPU by what nvidia-smi tells of it, with units; null where there is none. */
export function gpus() {
  const lines = ask("nvidia-smi", `--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader");
  return lines
    ? lines.split("\n").map((line) => Object.fromEntries(line.split(", ").map((value, i) => [FIELDS[i], value])))
    : null;
}

/** A report of which nothing is run yet. */
export function newReport() {
  return {
    version: 1,
    date: new Date().toISOString(),
    host: {
      os: `${os.type()} ${os.release()}`,
      chip: os.cpus()[0]?.model.trim(),
      cores: os.cpus().length,
      node: process.version,
    },
    gpus: { before: gpus(), after: null },
    steps: [],
    benches: {},
  };
}

/** What a whole report lacks, in words. */
export function problemsOf({ date, host, gpus, steps, benches }) {
  const states = ["passed", "failed", "out of time", "skipped"];
  return [
    Number.isNaN(Date.parse(date)) && "no date",
    !host?.chip && "no chip",
    gpus?.before?.some((gpu) => FIELDS.some((field) => !gpu[field])) && "a GPU without driver, clocks or power",
    !steps?.length && "no steps",
    ...(steps ?? []).flatMap(({ name, status, reason, seconds }) => [
      !states.includes(status) && `${name}: status ${status}`,
      status === "skipped" ? !reason && `${name}: skipped without a reason` : !(seconds >= 0) && `${name}: no seconds`,
    ]),
    ...Object.entries(benches ?? {}).map(([name, { rows }]) => !rows?.length && `${name}: no rows`),
  ].filter(Boolean);
}
