/**
 * Memory of many training steps: `node dist/bench/tools/soak.js [STEPS] [DEVICE] [BATCH]` trains MISS-tiny on random data and prints
 * live bytes of the device and the resident set of the process as it goes, and the peak. Fails where live bytes change after a fifth of the steps, or
 * where the resident set is more than 2 % larger in the second half of the rest than in the first, on average. Garbage is collected before each sample: left alone, V8 lets its heap grow for
 * some thousand steps (by 10 MiB here) before it looks, which says nothing about what a step keeps.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type DeviceName, openDevice } from "../../engine/index.js";
import { stepTask } from "../suites/step.js";

const [steps = 1000, batch = 16] = [process.argv[2], process.argv[4]].map((text) => text && Number(text)) as number[];
const pieces = 20;
const piece = Math.ceil(steps / pieces);
const MiB = 2 ** 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const device = await openDevice((process.argv[3] ?? "cpu") as DeviceName);
const { contender } = await stepTask("tiny", { B: batch, Q: 24, A: 6 }).prepare(device);
const samples: { live: number; resident: number }[] = [];
for (let i = 1; i <= pieces; i++) {
  await contender.time(piece);
  collectGarbage();
  const sample = { live: device.memory().live, resident: process.memoryUsage.rss() };
  samples.push(sample);
  console.log(`step ${i * piece}: ${sample.live} bytes live, ${(sample.resident / MiB).toFixed(1)} MiB resident`);
}
const { peak, own } = device.memory();
console.log(
  `${device.name}: peak ${(peak / MiB).toFixed(1)} MiB live, and ${(own / MiB).toFixed(1)} MiB of the device's own`,
);
await contender.release();
device.close();

const after = samples.slice(pieces / 5);
const mean = (of: typeof samples) => of.reduce((sum, s) => sum + s.resident, 0) / of.length;
const half = after.length / 2;
const growth = mean(after.slice(half)) / mean(after.slice(0, half)) - 1;
const constant = after.every((s) => s.live === after[0].live);
const percent = `${(100 * growth).toFixed(1)} %`;
console.log(
  `live bytes ${constant ? "constant" : "NOT constant"}; resident set ${percent} from the first half to the second`,
);
if (!constant || growth > 0.02) process.exitCode = 1;
