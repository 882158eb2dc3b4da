/**
 * Memory of many training steps: `node dist/bench/soak.js [STEPS]` trains MISS-tiny on random data and prints live bytes of
 * the device and the resident set of the process as it goes. Fails where live bytes change, or where the resident set grows
 * by more than 2 % after a fifth of the steps.
 */
import { openDevice } from "../engine/index.js";
import { stepTask } from "./suites/step.js";

const steps = Number(process.argv[2] ?? 1000);
const pieces = 20;
const piece = Math.ceil(steps / pieces);
const MiB = 2 ** 20;

const device = await openDevice("cpu");
const { contender } = await stepTask("tiny", { B: 16, Q: 24, A: 6 }).prepare(device);
const samples: { live: number; resident: number }[] = [];
for (let i = 1; i <= pieces; i++) {
  await contender.time(piece);
  const sample = { live: device.memory().live, resident: process.memoryUsage.rss() };
  samples.push(sample);
  console.log(`step ${i * piece}: ${sample.live} bytes live, ${(sample.resident / MiB).toFixed(1)} MiB resident`);
}
await contender.release();
device.close();

const after = samples.slice(pieces / 5);
const [first] = after;
const most = Math.max(...after.map((s) => s.resident));
const growth = most / first.resident - 1;
const constant = after.every((s) => s.live === first.live);
console.log(
  `live bytes ${constant ? "constant" : "NOT constant"}; resident set at most ${(100 * growth).toFixed(1)} % above step ${(pieces / 5 + 1) * piece}`,
);
if (!constant || growth > 0.02) process.exitCode = 1;
