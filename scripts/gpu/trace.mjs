#!/usr/bin/env node
// Traces replayed steps: which calls wait for the GPU while they are enqueued, and how much of a step's time the GPU computes
// nothing. It needs no tool of NVIDIA's: the driver that the process opens notes its calls (trace-driver.cc).
//
//   node scripts/gpu/trace.mjs OUT.json [options of traced.mjs]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parse } from "csv-parse/sync";
import { buildTraceDriver } from "./trace-driver.mjs";

/** Also by a copy to the host, which nobody makes but to wait for it. */
const WAITS = /Synchronize|^cuMemcpyDtoH|^cuMemcpy(?!.*Async)|^cuMemFree(?!Async)|^cuMemAlloc(?!Async)|^cuMemHostAlloc/;

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/**
 * Of the calls as trace-driver.cc writes them, and of what traced.mjs found. Throws where its replays are not in the trace.
 *
 * A kernel is timed by an event before and after it, which measure more than the kernel. `gapsShare` takes off each what they
 * measure of a kernel without work, `gapsShareAtLeast` what they measure of nothing.
 */
export function summaryOf(callsCsv, { device, replays, kernels, from, to, rounds }) {
  const calls = parse(callsCsv, { columns: true, skip_empty_lines: true }).map(({ name, start, end, apartUs }) => ({
    ...{ name, start: Number(start), end: Number(end), apartUs: apartUs === "" ? null : Number(apartUs) },
  }));
  const launches = calls.filter(({ name, start, end }) => name === "cuGraphLaunch" && start >= from && end <= to);
  if (launches.length !== replays)
    throw new Error(`the trace holds ${launches.length} launches of graphs, and ${replays} steps were replayed`);
  const [first, last] = [launches[0], launches.at(-1)];
  const waits = calls.filter(({ name, start }) => WAITS.test(name) && start >= first.start && start < last.end);
  const eventsUs = median(calls.flatMap(({ apartUs }) => apartUs ?? []));
  const middle = Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, median(rounds.map((r) => r[name]))]));
  const { spanUs, timedUs, emptyUs, emptyStepUs } = middle;
  const share = (us, overheadUs) => 1 - (us.timedUs - kernels * overheadUs) / us.spanUs;
  const ofRounds = rounds.map((us) => share(us, us.emptyUs));
  return {
    ...{ device, launches: launches.length, kernels, spanUs },
    gapsShare: share(middle, emptyUs),
    gapsShareOfRounds: [Math.min(...ofRounds), Math.max(...ofRounds)],
    gapsShareAtLeast: Math.max(0, share(middle, eventsUs)),
    hostWaits: waits.map(({ name }) => name),
    measured: { timedUs, emptyUs, eventsUs, emptyStepUs },
  };
}

/** `options` are those of traced.mjs. */
export async function trace(...options) {
  const folder = mkdtempSync(join(tmpdir(), "consilium-trace-"));
  const file = join(folder, "calls.csv");
  try {
    const { CONSILIUM_CUDA_DRIVER: driver = "" } = process.env;
    const env = {
      ...process.env,
      CONSILIUM_CUDA_DRIVER: await buildTraceDriver(),
      CONSILIUM_TRACED_DRIVER: driver,
      CONSILIUM_TRACE_FILE: file,
    };
    const traced = fileURLToPath(new URL("traced.mjs", import.meta.url));
    const stdio = ["ignore", "pipe", "inherit"];
    const { status, stdout } = spawnSync(process.execPath, [traced, ...options], { env, stdio, encoding: "utf8" });
    if (status !== 0) throw new Error(`the steps to trace ended with ${status}; they have said why`);
    return summaryOf(readFileSync(file, "utf8"), JSON.parse(stdout));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [out, ...options] = process.argv.slice(2);
  if (out === undefined || out.startsWith("-")) {
    console.error("trace.mjs: name the file to write: node scripts/gpu/trace.mjs trace.json [options of traced.mjs]");
    process.exit(2);
  }
  const summary = await trace(...options);
  console.log(summary);
  writeFileSync(out, JSON.stringify(summary));
}
