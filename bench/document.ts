import { z } from "zod";
import { SUITES } from "./suites/names.js";

const Distribution = {
  /** Microseconds of one call. */
  medianUs: z.number().positive(),
  p10Us: z.number().positive(),
  p90Us: z.number().positive(),
  /** 95 % interval of the median, which holds between runs (statistics/interval.ts); absent in documents of version 1. */
  intervalUs: z.tuple([z.number().positive(), z.number().positive()]).optional(),
  /** One call of each piece, in the order they were timed; absent in documents of version 1. */
  samplesUs: z.array(z.number().positive()).optional(),
};

const Timing = {
  ...Distribution,
  /** Of the processor: the driver's threads (machine/driver-time.ts), or a browser's; absent where nobody could tell. */
  cpu: z.strictObject(Distribution).optional(),
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
  /** By how much the resident memory of its process grew at most, one set of the inputs included. */
  peakBytes: z.number().optional(),
  /** The fastest of several forms of it, which was timed. */
  form: z.string().optional(),
  /** Microseconds of each form in the trial that chose it: the least of three turns of 5 ms or one call. */
  forms: z.record(z.string(), z.number()).optional(),
  /** How it computes this, where that is not obvious. */
  note: z.string().optional(),
});

/** A blank: not installed, no such operation, other results, or a failure. */
export const MissingPeer = z.strictObject({ medianUs: z.null(), ratio: z.null(), reason: z.string() });

/** What is timed: `backward` alone runs its forward outside the clock; `step` has the optimiser in it. */
export const PASSES = ["forward", "backward", "forward+backward", "step"] as const;

/** How tokens are spread over experts: evenly, by a power law, all on the first, or as a file of counts says. */
export const ROUTINGS = ["balanced", "zipf", "one-hot", "file"] as const;

/** What the machine can do at most on this row's work, and how near the row comes. */
export const Roofline = z.strictObject({
  /** What bounds the row: arithmetic, memory, or handing launches over. */
  limit: z.enum(["compute", "bandwidth", "launches"]),
  /** Microseconds that the row takes at least. */
  limitUs: z.number().positive(),
  /** limitUs by the median: 1 is the limit. */
  share: z.number().positive(),
});

/** A part of a layer, in the order it runs. */
export const Phase = z.strictObject({
  /** routing, permute, up, activation, down, combine, ..., and what is between the launches. */
  phase: z.string(),
  pass: z.enum(["forward", "backward"]),
  us: z.number().nonnegative(),
  launches: z.number().nonnegative(),
});

/** What a device reached in loops that do nothing else, measured before the rows. */
export const Ceiling = z.strictObject({
  device: z.string(),
  dtype: z.enum(["f32", "bf16", "f16"]),
  threads: z.int().positive(),
  /** Floating-point operations a second, a fused multiply-add counting two. */
  flopsPerSecond: z.number().positive(),
  /** Bytes read and written a second by a copy far larger than the caches. */
  copyBytesPerSecond: z.number().positive(),
  /** Seconds from one launch to the next of a kernel that does nothing. */
  launchSeconds: z.number().positive(),
});

/** A row that was asked for and not measured. */
export const SkippedRow = z.strictObject({
  suite: z.enum(SUITES),
  op: z.string(),
  pass: z.enum(PASSES),
  shape: z.string(),
  reason: z.string(),
});

export const BenchRow = z.strictObject({
  suite: z.enum(SUITES),
  op: z.string(),
  pass: z.enum(PASSES),
  /** The case's name in its table. */
  name: z.string(),
  device: z.string(),
  /** Storage type of inputs and results. */
  dtype: z.enum(["f32", "bf16", "f16"]),
  /** In the form that `--shapes` takes. */
  shape: z.string(),
  /** The published shapes it belongs to: mixtral-8x7b, ...; null of a shape that was typed or is of a suite's own. */
  set: z.string().nullable().optional(),
  /** Of rows with experts. */
  routing: z.enum(ROUTINGS).nullable().optional(),
  threads: z.int().positive(),
  ...Timing,
  /** Sets of the inputs that calls took in turn, past the caches (row/copies.ts); absent in documents that had one of each row. */
  copies: z.int().positive().optional(),
  /** Useful work of one call, and the bytes that it must move at least; null where nobody counted. */
  flops: z.number().nullable(),
  bytes: z.number().nullable(),
  /** Largest live device memory while timed, one set of the inputs included. */
  peakBytes: z.number(),
  /** Bytes that the forward keeps for the backward, besides inputs and result; null of rows without a backward. */
  savedBytes: z.number().nullable().optional(),
  roofline: Roofline.nullable().optional(),
  /** Null where the row is one op, or the device cannot time its launches. */
  phases: z.array(Phase).nullable().optional(),
  /** Share of the machine's cores that other processes kept busy while the row was measured; null where nobody can tell. */
  othersCpu: z.number().nonnegative().nullable().optional(),
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
  /** What repeats it; absent in documents of version 1. */
  command: z.string().optional(),
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
  version: z.literal(2),
  environment: Environment,
  ceilings: z.array(Ceiling),
  rows: z.array(BenchRow),
  skipped: z.array(SkippedRow),
});

export type TimedPeer = z.infer<typeof TimedPeer>;
export type MissingPeer = z.infer<typeof MissingPeer>;
export type Ceiling = z.infer<typeof Ceiling>;
export type Phase = z.infer<typeof Phase>;
export type Roofline = z.infer<typeof Roofline>;
export type SkippedRow = z.infer<typeof SkippedRow>;
export type BenchRow = z.infer<typeof BenchRow>;
export type Environment = z.infer<typeof Environment>;
export type BenchDocument = z.infer<typeof BenchDocument>;
