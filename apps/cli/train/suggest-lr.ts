import { findLr, type LrSweep, type RunConfig } from "../../../models/index.js";
import { openChosenDevice } from "../options/common-options.js";
import { bertVocabulary } from "../package-files.js";
import { short } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { memoryUsed, say, writeJson } from "../terminal/output.js";
import { plot } from "../terminal/plot.js";
import { Progress } from "../terminal/progress.js";
import { table } from "../terminal/table.js";
import type { TrainingOptions } from "./training-run.js";

/** Columns and rows of the plot. */
const [WIDTH, HEIGHT] = [78, 14];
/** Lines of the table. */
const ROWS = 15;

/** Tries learning rates and says which to take: the loss over the rate as a plot, some of its numbers, JSON where asked for. */
export async function suggestLr(options: TrainingOptions, config: RunConfig): Promise<void> {
  const started = performance.now();
  using device = await openChosenDevice(options);
  using interruption = new Interruption("a result");
  const { signal } = interruption;
  const onStep = new Progress(device).counting("learning rates", "steps");
  const { dataThreads } = options;
  const found = await interruption.guard(
    findLr(config, { device, signal, bertVocabulary, dataThreads, onStep }),
    "stopped; a sweep of learning rates keeps nothing.",
  );
  for (const line of lines(found)) say(options, line);
  const { lr, loss, smoothed, suggestion } = found;
  await writeJson(options, {
    version: 1,
    command: "train miss --find-lr",
    device: { name: device.name, description: device.description },
    config,
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    ...{ lr, loss, smoothed, suggestion },
  });
}

function lines({ lr, loss, smoothed, suggestion }: LrSweep): string[] {
  const ends = [`lr ${short(lr[0])}`, short(lr.at(-1) as number)] as const;
  const every = Math.max(1, Math.ceil(lr.length / ROWS));
  const some = lr.map((_, i) => i).filter((i) => i % every === 0 || i === lr.length - 1);
  return [
    ...plot(smoothed, { width: WIDTH, height: HEIGHT, format: short, ends }),
    table([["lr", "loss", "smoothed"], ...some.map((i) => [lr[i], loss[i], smoothed[i]].map(short))]),
    suggestion === null
      ? "The loss falls at none of these rates: check the data and the model's start."
      : `suggestion: --lr ${short(suggestion)}, where the loss falls fastest; it is lowest at ${short(lr[smoothed.indexOf(Math.min(...smoothed))])}.`,
  ];
}
