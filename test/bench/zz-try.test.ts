import { test } from "vitest";
import { writeFileSync } from "node:fs";
import { BenchDocument } from "../../bench/document.js";
import { runBench } from "../../bench/run.js";
test("try", async () => {
  const o = JSON.parse(process.env.TRY!);
  const { suite, ...rest } = o;
  const d = await runBench(suite, { threads: 1, peers: [], budgetSeconds: 5, device: "cpu", onProgress: (t: string) => console.error(t), ...rest });
  BenchDocument.parse(d);
  writeFileSync("/tmp/bench-task/out.json", JSON.stringify(d, null, 1));
  console.log(JSON.stringify(d.environment, null, 1));
  for (const r of d.rows) console.log(r.op, r.pass, r.shape, r.medianUs.toFixed(1), r.p10Us.toFixed(1), r.p90Us.toFixed(1), "n", r.samples, "x", r.calls, r.flops && (r.flops / r.medianUs / 1e3).toFixed(1) + " GFLOP/s", (r.peakBytes/2**20).toFixed(1)+" MiB", JSON.stringify(r.peers));
}, 600000);
