import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { argmax, capture, type Device, noGrad, OptionError, scope, type Tensor, tensor } from "../../engine/index.js";
import { timed } from "../contenders/engine.js";
import type { Prepared, Task } from "../task.js";
import { trainingStep } from "./step.js";
import { fixedSuite } from "./suite.js";

/** A step as the engine runs it, with what it holds. */
interface Step {
  run(): Tensor;
  release(): void;
}

interface Made {
  readonly name: string;
  readonly shape: string;
  make(device: Device): Promise<Step>;
}

const steps: readonly Made[] = [
  {
    name: "training step of MISS-tiny, batch 16",
    shape: "tiny:B16Q24A6",
    make: async (device) => trainingStep(device, "tiny", { B: 16, Q: 24, A: 6 }),
  },
  { name: "decode step of stories260k", shape: "stories260k:position100", make: decodeStep },
];

/**
 * What `capture` saves: small steps by calling them and by replaying them. A call is one step; `call.enqueueUs` is what the
 * host does for it, and all that a replay can save.
 */
export const replay = fixedSuite("replay", "step", () =>
  steps.flatMap((step) => [task(step, false), task(step, true)]),
);

function task({ name, shape, make }: Made, replayed: boolean): Task {
  return {
    suite: "replay",
    op: replayed ? "replay" : "call",
    pass: "step",
    name,
    shape,
    options: {},
    trained: [],
    flops: null,
    bytes: null,
    // The same kernels on the same memory.
    tolerance: 0,
    prepare: async (device) => prepare(device, await make(device), replayed),
  };
}

function prepare(device: Device, { run, release }: Step, replayed: boolean): Prepared {
  const captured = replayed ? capture(device, run) : null;
  const once = captured ? () => void captured.replay() : () => scope(run).dispose();
  const enqueue = (calls: number) => {
    for (let i = 0; i < calls; i++) once();
  };
  return {
    contender: timed(device, enqueue, () => {
      captured?.dispose();
      release();
    }),
    inputs: async () => ({}),
    results: async () => {
      const y = captured ? captured.replay() : scope(run);
      const values = Float32Array.from(await y.data());
      if (!captured) y.dispose();
      return { y: values };
    },
  };
}

/** The token after one at position 100, chosen on the device. */
async function decodeStep(device: Device): Promise<Step> {
  const { loadLlama, KeyValueCache } = await example();
  // Not before it is needed: a page has no such module, and takes the other suites from this bundle.
  const { root } = await import("../machine/environment.js");
  const model = loadLlama(await readFile(join(root, "data/stories260k/stories260K.bin")), device);
  const cache = new KeyValueCache(model.config, device);
  const token = tensor([[42]], { device, dtype: "i32" });
  return {
    run: () => noGrad(() => scope(() => argmax(model.forward(token, cache, 100)))),
    release: () => {
      token.dispose();
      cache[Symbol.dispose]();
      model.dispose();
    },
  };
}

/** The package has neither the examples nor their data. */
async function example() {
  try {
    const { loadLlama } = await import("../../examples/stories260k/checkpoint.js");
    const { KeyValueCache } = await import("../../examples/stories260k/model.js");
    return { loadLlama, KeyValueCache };
  } catch (cause) {
    throw new OptionError("bench replay: the example stories260k is not here. Run it in the clone.", { cause });
  }
}
