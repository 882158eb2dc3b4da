/**
 * Loading and decoding of a whole Med-MoE: `node dist/bench/tools/decode.js MODEL [THREADS] [mapped|copied]` prints the seconds of the
 * load, resident memory after it and while generating, and milliseconds a token (greedy, one sequence, median of single tokens).
 * Where CONSILIUM_PYTHON names a Python with PyTorch, bench/peers/torch_decode.py then times the same products in bf16, and
 * nothing else of a token, with as many threads: the bar that our whole token is compared with. On a quiet machine, with the files in the page cache.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openDevice } from "../../engine/index.js";
import { tokens } from "../../models/generation/index.js";
import { languageModel, MedMoe, type MedMoeConfig } from "../../models/index.js";
import { quantile } from "../statistics/summary.js";

const [folder, threadsText = "1", way = "mapped"] = process.argv.slice(2);
const threads = Number(threadsText);
if (!folder || !(threads >= 1) || !["mapped", "copied"].includes(way)) {
  console.error("usage: node dist/bench/tools/decode.js MODEL [THREADS] [mapped|copied]");
  process.exit(2);
}
const PROMPT = [5, 9, 100, 7];
const TOKENS = 24;

/** MiB of this process in memory; the mapped pages of files among them. */
function resident(): string {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return `${of("VmRSS")} MiB resident, ${of("RssFile")} of them pages of files`;
}

const device = await openDevice("cpu", { threads });
const begun = performance.now();
const model = await MedMoe.load(folder, { device, dtype: "bf16", mapped: way === "mapped" });
console.log(`${way}: loaded in ${((performance.now() - begun) / 1000).toFixed(2)} s, ${resident()}`);

const times: number[] = [];
let last: number | null = null;
for await (const _ of tokens(languageModel(model.network), [PROMPT], { maxNewTokens: TOKENS })) {
  const now = performance.now();
  if (last !== null) times.push(now - last);
  last = now;
}
times.sort((a, b) => a - b);
const median = quantile(times, 0.5);
console.log(`${median.toFixed(1)} ms a token with ${threads} threads, ${resident()}`);
const products = productsOf(model.network.config);
model.dispose();
device.close();

const python = process.env.CONSILIUM_PYTHON;
if (python) {
  const script = fileURLToPath(new URL("../../../bench/peers/torch_decode.py", import.meta.url));
  const run = spawnSync(python, [script, String(threads), JSON.stringify(products)], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  const peer = Number(run.stdout);
  console.log(`PyTorch bf16, the products alone: ${peer.toFixed(1)} ms, ratio ${(peer / median).toFixed(2)}`);
}

/** [outputs, inputs] of each product of one token: attention, the MLPs that it goes through, the head. */
function productsOf({ family, decoder, moe }: MedMoeConfig): [number, number][] {
  const { width, hidden, vocabulary, layers, heads, keyValueHeads } = decoder;
  const kv = (width / heads) * keyValueHeads;
  const up: [number, number][] =
    family === "stablelm"
      ? [
          [hidden, width],
          [hidden, width],
        ]
      : [[hidden, width]];
  const mlp: [number, number][] = [...up, [width, hidden]];
  const found: [number, number][] = [];
  for (let layer = 0; layer < layers; layer++) {
    found.push([width, width], [kv, width], [kv, width], [width, width]);
    // A mixture's tokens go through the meta expert as well.
    const mlps = moe?.layers.includes(layer) ? moe.topK + 1 : 1;
    for (let i = 0; i < mlps; i++) found.push(...mlp);
  }
  return [...found, [vocabulary, width]];
}
