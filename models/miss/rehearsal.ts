/** Steps on throw-away weights, before a training: nothing of them is kept. */
import { nn, OptionError } from "../../engine/index.js";
import { ImageStore } from "../data/image-store.js";
import { order } from "../data/order.js";
import type { VqaRecord } from "../data/record.js";
import { countParameters, type ParameterCounts } from "../peft/trainable.js";
import { type LrSweep, type SweepOptions, sweep, sweptRates } from "../training/lr-finder.js";
import { type MemoryPlan, planMemory } from "../training/memory-plan.js";
import { owning } from "../training/owned.js";
import { type ModelFolder, scalings } from "./model-folder.js";
import type { Answering } from "./predict.js";
import { Run } from "./run.js";
import type { RunConfig } from "./run-config.js";
import { MissTokenizer } from "./tokenizer.js";
import { prepared, startingNetwork } from "./train.js";
import type { TrainOptions } from "./train-options.js";

/** Where a rehearsal computes. */
export type RehearsalOptions = Pick<TrainOptions, "device" | "bertVocabulary" | "signal" | "dataThreads">;

/**
 * Weights that only memory and time are measured with: to draw hundreds of millions takes longer than some steps. A prime, so that no two
 * rows of a matrix are alike.
 */
const FEW = { drawn: 65_521 };

type Prepared = Awaited<ReturnType<typeof prepared>>;

async function withRun<T>(
  config: RunConfig,
  { splits, folder }: Prepared,
  options: RehearsalOptions,
  work: (run: Run) => Promise<T>,
  { drawn }: { drawn?: number } = {},
): Promise<T> {
  const { device } = options;
  const images = new ImageStore(folder.config.imageSize, scalings[folder.scaling]);
  const init = new nn.Initializer(device, config.seed, { drawn });
  const network = await startingNetwork(config, folder, init, false, undefined);
  const nowhere = { ...options, out: "", log: null };
  const run = owning(network, () => new Run(config, nowhere, splits, folder, images, network, init));
  try {
    return await work(run);
  } finally {
    await run.close();
    device.pool.trim();
  }
}

/** The questions of each step, in the order of a run. */
function rowsInTurn({ seed, batch, accumulate }: RunConfig, train: readonly VqaRecord[]): () => VqaRecord[] {
  const size = batch * accumulate;
  let [epoch, at] = [0, 0];
  let rows = order(seed, epoch, train.length);
  return () => {
    if (at >= rows.length) [rows, at] = [order(seed, ++epoch, train.length), 0];
    at += size;
    return Array.from(rows.subarray(at - size, at), (row) => train[row]);
  };
}

/** Tries learning rates, each in a step further on, on weights as the training would start with. */
export async function findLr(
  given: RunConfig,
  { from, to, steps, ...options }: RehearsalOptions & SweepOptions & { onStep?(step: number, steps: number): void },
): Promise<LrSweep> {
  const rates = sweptRates({ from, to, steps });
  const ready = await prepared(given, options);
  const { config, splits } = ready;
  const next = rowsInTurn(config, splits.train);
  let step = 0;
  return withRun(config, ready, options, (run) =>
    sweep(
      rates,
      async (lr) => {
        const loss = await run.rehearse(next(), lr);
        options.onStep?.(++step, rates.length);
        return loss;
      },
      options.signal,
    ),
  );
}

/**
 * The batch that fits `maxMemory` bytes on the device, and how many of them make the step that the settings ask for: the
 * same training in less memory. Steps of the longest texts are measured, and answering the longest questions of validation and
 * test, as many at a time. Throws where even one question does not fit.
 */
export async function fitMemory(given: RunConfig, maxMemory: number, options: RehearsalOptions): Promise<MemoryPlan> {
  const { device } = options;
  const ready = await prepared(given, options);
  const { config, splits, folder } = ready;
  const length = ({ question, answer }: VqaRecord) => question.length + answer.length;
  const longest = splits.train.toSorted((a, b) => length(b) - length(a));
  const [asked, answering] = costliest([...splits.validation, ...splits.test], folder);
  const all = config.batch * config.accumulate;
  const peakOf = (batch: number) =>
    withRun(
      { ...config, batch, accumulate: 1 },
      ready,
      options,
      async (run) => {
        // From the second batch of a step on there are the gradients of those before.
        const rows = Array.from({ length: Math.min(2 * batch, all) }, (_, i) => longest[i % longest.length]);
        // Moments of the optimiser are made in the first step.
        await run.rehearse(rows, config.lr);
        device.pool.resetPeak();
        await run.rehearse(rows, config.lr);
        await run.answers(asked.slice(0, batch), answering);
        return device.memory().peak;
      },
      FEW,
    );
  try {
    return await planMemory(all, maxMemory, peakOf);
  } finally {
    // What was tried is not what the training takes.
    device.pool.resetPeak();
  }
}

/** The longest questions first, and the answers of most pieces that are possible: what takes most memory. */
function costliest(records: readonly VqaRecord[], { pieces, answering }: ModelFolder): [VqaRecord[], Answering] {
  const tokenizer = new MissTokenizer(pieces);
  const longestFirst = <T>(list: readonly T[], textOf: (item: T) => string): T[] => {
    const length = new Map(list.map((item) => [item, tokenizer.pieceIds(textOf(item)).length]));
    return list.toSorted((a, b) => (length.get(b) as number) - (length.get(a) as number));
  };
  const asked = longestFirst(records, ({ question }) => question);
  if (answering.method === "generate") return [asked, { ...answering, minLength: answering.maxLength }];
  const answers = longestFirst(answering.answers, (answer) => answer).slice(0, answering.k);
  return [asked, { ...answering, answers }];
}

/** What steps took and gave whose weights were thrown away. */
export interface Rehearsal {
  /** Values that a step changes, and all of them. */
  readonly parameters: ParameterCounts;
  /** Seconds of each step. The first ones also make what later ones find: moments of the optimiser, compiled kernels. */
  readonly seconds: readonly number[];
  /** Bytes in use on the device at most, from its first weight to the last step. */
  readonly peakBytes: number;
}

/**
 * The first steps of a training, at its largest rate, on weights that are thrown away: what it needs of memory and time. Nothing is written,
 * and no question is answered.
 */
export async function rehearse(
  given: RunConfig,
  steps: number,
  options: RehearsalOptions & { onStep?(step: number, steps: number): void },
): Promise<Rehearsal> {
  if (!(Number.isInteger(steps) && steps >= 1)) throw new OptionError(`rehearse: ${steps} is no number of steps.`);
  const { device, signal, onStep } = options;
  const ready = await prepared(given, options);
  const { config, splits } = ready;
  const next = rowsInTurn(config, splits.train);
  device.pool.resetPeak();
  return withRun(
    config,
    ready,
    options,
    async (run) => {
      const seconds: number[] = [];
      for (let step = 1; step <= steps; step++) {
        signal?.throwIfAborted();
        const started = performance.now();
        await run.rehearse(next(), config.lr);
        seconds.push((performance.now() - started) / 1000);
        onStep?.(step, steps);
      }
      return { parameters: countParameters(run.network), seconds, peakBytes: device.memory().peak };
    },
    FEW,
  );
}
