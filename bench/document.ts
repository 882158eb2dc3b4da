import { z } from "zod";
import { SUITES } from "./suites/names.js";

const Timing = {
  /** Microseconds of one call. */
  medianUs: z.number().positive(),
  p10Us: z.number().positive(),
  p90Us: z.number().positive(),
  /** Microseconds of the processor: the driver's threads (driver-time.ts), or a browser's; absent where nobody could tell. */
  cpu: z
    .strictObject({ medianUs: z.number().positive(), p10Us: z.number().positive(), p90Us: z.number().positive() })
    .optional(),
  /** Pieces timed; each is the mean of `calls` calls. */
  samples: z.int().positive(),
  calls: z.int().positive(),
};

export const TimedPeer = z.strictObject({
  ...Timing,
  version: z.string(),
  /** The peer's median by ours: above 1 the peer is slower. */
  ratio: z.number().positive(),
  /** The same of the processor's time. */
  cpuRatio: z.number().positive().optional(),
  /** Ours against the peer, by the Mann-Whitney test of the samples at 5 %. */
  ours: z.enum(["faster", "slower", "even"]),
  /** Largest difference of its results from ours, relative to the largest result (at least 1); null for other work. */
  difference: z.number().nonnegative().nullable(),
  /** By how much the resident memory of its process grew at most, inputs included. */
  peakBytes: z.number().optional(),
  /** The fastest of several forms of it, which was timed. */
  form: z.string().optional(),
  /** How it computes this, where that is not obvious. */
  note: z.string().optional(),
});

/** A blank: not installed, no such operation, other results, or a failure. */
export const MissingPeer = z.strictObject({ medianUs: z.null(), ratio: z.null(), reason: z.string() });

export const BenchRow = z.strictObject({
  suite: z.enum(SUITES),
  op: z.string(),
  pass: z.enum(["forward", "forward+backward", "step"]),
  /** The case's name in its table. */
  name: z.string(),
  device: z.string(),
  /** Storage type of inputs and results. */
  dtype: z.enum(["f32", "bf16", "f16"]),
  /** In the form that `--shapes` takes. */
  shape: z.string(),
  threads: z.int().positive(),
  ...Timing,
  /** Useful work of one call, and the bytes that it must move at least; null where nobody counted. */
  flops: z.number().nullable(),
  bytes: z.number().nullable(),
  /** Largest live device memory while timed, inputs included. */
  peakBytes: z.number(),
  /** What one call is made of, of our own engine. */
  call: z
    .strictObject({
      /** Microseconds of the host until all of a call is enqueued. */
      enqueueUs: z.number().nonnegative(),
      /** Microseconds by the device's own clock, launch by launch; null where it has none. */
      deviceUs: z.number().nonnegative().nullable(),
      /** Kernels run (dispatches of webgpu). */
      launches: z.number(),
      /** Passes that ops, gradients and optimisers ran, 0 in a replay; and how many ops of the forward are on the tape. */
      ops: z.number(),
      recorded: z.number(),
    })
    .optional(),
  peers: z.record(z.string(), z.union([TimedPeer, MissingPeer])),
});

export const Environment = z.strictObject({
  date: z.iso.datetime(),
  version: z.string(),
  /** Of the working tree, "-dirty" where it is changed; null outside a checkout. */
  commit: z.string().nullable(),
  chip: z.string(),
  /** Of the machine; `affinity` are those this process may run on (Linux). */
  cores: z.int(),
  affinity: z.string().nullable(),
  threads: z.int(),
  memoryBytes: z.number(),
  node: z.string(),
  os: z.string(),
  flags: z.record(z.string(), z.string()),
  /** Averages over 1, 5 and 15 minutes. */
  load: z.strictObject({ before: z.array(z.number()), after: z.array(z.number()) }),
  device: z.string(),
  /** Of an NVIDIA GPU, as nvidia-smi tells before and after: driver, clocks, power, temperature. */
  gpu: z.strictObject({ before: z.string(), after: z.string() }).optional(),
  /** Instruction set of the cpu device. */
  simd: z.string().nullable(),
  /** Version of each peer asked for, or why it is missing. */
  peers: z.record(z.string(), z.string()),
});

/** What `consilium bench --json` writes and bench/results holds. */
export const BenchDocument = z.strictObject({
  version: z.literal(1),
  environment: Environment,
  rows: z.array(BenchRow),
});

export type TimedPeer = z.infer<typeof TimedPeer>;
export type MissingPeer = z.infer<typeof MissingPeer>;
export type BenchRow = z.infer<typeof BenchRow>;
export type Environment = z.infer<typeof Environment>;
export type BenchDocument = z.infer<typeof BenchDocument>;
