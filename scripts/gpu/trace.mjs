#!/usr/bin/env node
// Traces replayed steps with Nsight Systems: how much of the time between their first kernel and their last the GPU rests, and
// which calls that wait for it the launching thread makes meanwhile.
//
//   node scripts/gpu/trace.mjs OUT.json [nsys]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parse } from "csv-parse/sync";

/** Between the replays that count and what went before: half of the pause of traced.mjs. */
const APART_NS = 100e6;
const WAITS = /Synchronize|^cuMemcpy(?!.*Async)|^cuMemFree(?!Async)|^cuMemAlloc(?!Async)|^cuMemHostAlloc/;

const rows = (csv) =>
  parse(csv, { columns: true, skip_empty_lines: true }).map((row) => ({
    name: row.Name,
    thread: row.Tid,
    start: Number(row["Start (ns)"]),
    end: Number(row["Start (ns)"]) + Number(row["Duration (ns)"]),
  }));

/** Those after the last long pause, in order. */
function afterPause(all) {
  const ordered = all.toSorted((a, b) => a.start - b.start);
  const first = ordered.findLastIndex(({ start }, i) => i > 0 && start - ordered[i - 1].end > APART_NS);
  return ordered.slice(Math.max(0, first));
}

/** Of nsys' reports cuda_api_trace and cuda_gpu_trace. Throws where they hold no launch or no kernel. */
export function summaryOf(apiCsv, gpuCsv) {
  const calls = rows(apiCsv);
  const launches = afterPause(calls.filter(({ name }) => /^cu(GraphLaunch|LaunchKernel)/.test(name)));
  const kernels = afterPause(rows(gpuCsv));
  if (launches.length === 0 || kernels.length === 0) throw new Error("the trace holds no launch, or no kernel");
  const [first, last] = [launches[0], launches.at(-1)];
  const waits = calls.filter(
    ({ name, thread, start }) =>
      WAITS.test(name) && thread === first.thread && start >= first.start && start < last.end,
  );
  let [busy, end] = [0, kernels[0].start];
  for (const kernel of kernels) {
    busy += Math.max(0, kernel.end - Math.max(end, kernel.start));
    end = Math.max(end, kernel.end);
  }
  const span = end - kernels[0].start;
  return {
    launches: launches.length,
    kernels: kernels.length,
    spanUs: span / 1000,
    gapsShare: 1 - busy / span,
    hostWaits: waits.map(({ name }) => name),
  };
}

function trace(nsys) {
  const folder = mkdtempSync(join(tmpdir(), "consilium-trace-"));
  const report = join(folder, "trace.nsys-rep");
  const show = { stdio: ["ignore", "inherit", "inherit"], cwd: folder };
  try {
    const traced = fileURLToPath(new URL("traced.mjs", import.meta.url));
    const how = ["--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--cuda-graph-trace=node"];
    execFileSync(nsys, ["profile", ...how, `--output=${report}`, process.execPath, traced], show);
    const reports = ["cuda_api_trace", "cuda_gpu_trace"];
    const wanted = reports.flatMap((name) => ["--report", name]);
    execFileSync(nsys, ["stats", ...wanted, "--format", "csv", "--output", join(folder, "trace"), report], show);
    return summaryOf(...reports.map((name) => readFileSync(join(folder, `trace_${name}.csv`), "utf8")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [out, nsys = "nsys"] = process.argv.slice(2);
  const summary = trace(nsys);
  console.log(summary);
  writeFileSync(out, JSON.stringify(summary));
}
