/** What a run is written as: each type is what its schema, of the same name with `Schema` behind it, lets through. */
import { z } from "zod";
import { SUITES } from "./suites/names.js";

/** What is timed: `backward` alone runs its forward outside the clock; `step` has the optimiser in it. */
export const PASSES = ["forward", "backward", "forward+backward", "step"] as const;

/** How tokens are spread over experts: evenly, by a power law, all on the first, or as a file of counts says. */
export const ROUTINGS = ["balanced", "zipf", "one-hot", "file"] as const;

const dtype = z.enum(["f32", "bf16", "f16"]);

/** A schema by its type's name, so that types around it say the name and not all of its fields. */
const of = <T>(schema: z.ZodType<T>) => schema;

const distributionSchema = z.strictObject({
  /** Microseconds of one call. */
  medianUs: z.number().positive(),
  /** A tenth of the pieces were faster. */
  p10Us: z.number().positive(),
  /** A tenth of the pieces were slower. */
  p90Us: z.number().positive(),
  /** 95 % interval of the median, which holds between runs (statistics/interval.ts); absent in documents of version 1. */
  intervalUs: z.tuple([z.number().positive(), z.number().positive()]).optional(),
  /** One call of each piece, in the order they were timed; absent in documents of version 1. */
  samplesUs: z.array(z.number().positive()).optional(),
});

/** Times of one call, of pieces that were timed. */
export interface Distribution extends z.infer<typeof distributionSchema> {}

const timingSchema = distributionSchema.extend({
  /** Of the processor: the driver's threads (machine/driver-time.ts), or a browser's; absent where nobody could tell. */
  cpu: of<Distribution>(distributionSchema).optional(),
  /** Pieces timed. */
  samples: z.int().positive(),
  /** Of a piece, which is their mean. */
  calls: z.int().positive(),
});

const timedPeerSchema = timingSchema.extend({
  /** Of the library. */
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
  /** Why other forms were not in it: they do not run here, or compute something else. */
  refused: z.record(z.string(), z.string()).optional(),
  /** How it computes this, where that is not obvious. */
  note: z.string().optional(),
});

/** A peer that computed what ours computes, timed in turn with it. */
export interface TimedPeer extends z.infer<typeof timedPeerSchema> {}

const missingPeerSchema = z.strictObject({
  /** None. */
  medianUs: z.null(),
  /** None. */
  ratio: z.null(),
  /** Why, and where something can be done, what. */
  reason: z.string(),
});

/** A blank: not installed, no such operation, other results, or a failure. */
export interface MissingPeer extends z.infer<typeof missingPeerSchema> {}

export const rooflineSchema = z.strictObject({
  /** What bounds the row: arithmetic, memory, or handing launches over. */
  limit: z.enum(["compute", "bandwidth", "launches"]),
  /** Microseconds that the row takes at least. */
  limitUs: z.number().positive(),
  /** limitUs by the median: 1 is the limit, above it see row/roofline.ts. */
  share: z.number().positive(),
});

/** What the machine can do at most on this row's work, and how near the row comes. */
export interface Roofline extends z.infer<typeof rooflineSchema> {}

const phaseSchema = z.strictObject({
  /** routing, permute, up, activation, down, combine, ..., and what is between the launches. */
  phase: z.string(),
  /** Of which it is a part. */
  pass: z.enum(["forward", "backward"]),
  /** Microseconds by the device's own clock. */
  us: z.number().nonnegative(),
  /** Kernels run. */
  launches: z.number().nonnegative(),
});

/** A part of a layer, in the order it runs. */
export interface Phase extends z.infer<typeof phaseSchema> {}

const callDetailsSchema = z.strictObject({
  /** Microseconds of the host until all of a call is enqueued. */
  enqueueUs: z.number().nonnegative(),
  /** Microseconds by the device's own clock, launch by launch; null where it has none. */
  deviceUs: z.number().nonnegative().nullable(),
  /** Kernels run (dispatches of webgpu). */
  launches: z.number(),
  /** Passes that ops, gradients and optimisers ran; 0 in a replay. */
  ops: z.number(),
  /** How many ops of the forward are on the tape. */
  recorded: z.number(),
});

/** What one call is made of, of our own engine. */
export interface CallDetails extends z.infer<typeof callDetailsSchema> {}

export const ceilingSchema = z.strictObject({
  /** Its name: cpu, webgpu, ... */
  device: z.string(),
  /** Storage type of the rows it is for. */
  dtype,
  /** Those of the cpu device. */
  threads: z.int().positive(),
  /** Floating-point operations a second, a fused multiply-add counting two. */
  flopsPerSecond: z.number().positive(),
  /** Bytes read and written a second by a copy far larger than the caches. */
  copyBytesPerSecond: z.number().positive(),
  /** Seconds from one launch to the next of a kernel that does nothing. */
  launchSeconds: z.number().positive(),
  /**
   * By which share the slower of two measurements, before and after the rows, stands behind the faster, the one that counts: of
   * arithmetic or copies, whichever is more. The machine was not the same all the time. Absent where it was measured once.
   */
  drift: z.number().nonnegative().optional(),
});

/** What a device reached in loops that do nothing else: before the rows or after them, whichever is faster. */
export interface Ceiling extends z.infer<typeof ceilingSchema> {}

const skippedRowSchema = z.strictObject({
  /** It was asked for of it. */
  suite: z.enum(SUITES),
  /** What would have been computed. */
  op: z.string(),
  /** What would have been timed. */
  pass: z.enum(PASSES),
  /** In the form that `--shapes` takes. */
  shape: z.string(),
  /** Why it was not measured. */
  reason: z.string(),
});

/** A row that was asked for and not measured. */
export interface SkippedRow extends z.infer<typeof skippedRowSchema> {}

const benchRowSchema = timingSchema.extend({
  /** It is one of its rows. */
  suite: z.enum(SUITES),
  /** What is computed. */
  op: z.string(),
  /** What is timed. */
  pass: z.enum(PASSES),
  /** The case's name in its table. */
  name: z.string(),
  /** Its name: cpu, webgpu, ... */
  device: z.string(),
  /** Storage type of inputs and results. */
  dtype,
  /** In the form that `--shapes` takes. */
  shape: z.string(),
  /** The published shapes it belongs to: mixtral-8x7b, ...; null of a shape that was typed or is of a suite's own. */
  set: z.string().nullable().optional(),
  /** Of rows with experts. */
  routing: z.enum(ROUTINGS).nullable().optional(),
  /** Of the cpu device, and of peers that have some. */
  threads: z.int().positive(),
  /** Sets of the inputs that calls took in turn, past the caches (row/copies.ts); absent in documents that had one of each row. */
  copies: z.int().positive().optional(),
  /** Useful work of one call; null where nobody counted. */
  flops: z.number().nullable(),
  /** Bytes that a call must move at least; null where nobody counted. */
  bytes: z.number().nullable(),
  /** Largest live device memory while timed, one set of the inputs included. */
  peakBytes: z.number(),
  /** Bytes that the forward keeps for the backward, besides inputs and result; null of rows without a backward. */
  savedBytes: z.number().nullable().optional(),
  /** Null where nobody counted the row's work. */
  roofline: of<Roofline>(rooflineSchema).nullable().optional(),
  /** Null where the row is one op, or the device cannot time its launches. */
  phases: z.array(of<Phase>(phaseSchema)).nullable().optional(),
  /** Share of the machine's cores that other processes kept busy while the row was measured; null where nobody can tell. */
  othersCpu: z.number().nonnegative().nullable().optional(),
  /** Absent in documents before it was measured. */
  call: of<CallDetails>(callDetailsSchema).optional(),
  /** By name, those that were asked for. */
  peers: z.record(z.string(), z.union([of<TimedPeer>(timedPeerSchema), of<MissingPeer>(missingPeerSchema)])),
});

/** Work that was measured. */
export interface BenchRow extends z.infer<typeof benchRowSchema> {}

const environmentSchema = z.strictObject({
  /** When the run was over, in UTC. */
  date: z.iso.datetime(),
  /** What repeats it; absent in documents of version 1. */
  command: z.string().optional(),
  /** Of consilium. */
  version: z.string(),
  /** Of the working tree, "-dirty" where files that git tracks are changed; null outside a checkout. */
  commit: z.string().nullable(),
  /** The processor; empty where nobody can tell, as in a page. */
  chip: z.string(),
  /** Of the machine. */
  cores: z.int(),
  /** Those cores that this process may run on (Linux). */
  affinity: z.string().nullable(),
  /** The most that rows were measured with; each row says its own. */
  threads: z.int(),
  /** Of the machine. */
  memoryBytes: z.number(),
  /** Its version. */
  node: z.string(),
  /** The operating system, or of a page the browser. */
  os: z.string(),
  /** What changes how code runs: environment variables and arguments of Node, by name. */
  flags: z.record(z.string(), z.string()),
  /** Of the machine: averages over 1, 5 and 15 minutes. */
  load: z.strictObject({
    /** Before the first row. */
    before: z.array(z.number()),
    /** After the last. */
    after: z.array(z.number()),
  }),
  /** In words. */
  device: z.string(),
  /** Of an NVIDIA GPU, as nvidia-smi tells: driver, clocks, power, temperature. */
  gpu: z
    .strictObject({
      /** Before the first row. */
      before: z.string(),
      /** After the last. */
      after: z.string(),
    })
    .optional(),
  /** Instruction set of the cpu device. */
  simd: z.string().nullable(),
  /** Version of each peer asked for, or why it is missing. */
  peers: z.record(z.string(), z.string()),
});

/** What times depend on besides the code. */
export interface Environment extends z.infer<typeof environmentSchema> {}

export const benchDocumentSchema = z.strictObject({
  /** Of this form. */
  version: z.literal(2),
  /** Where and how it was measured. */
  environment: of<Environment>(environmentSchema),
  /** It was stopped: rows that were asked for are missing. */
  interrupted: z.literal(true).optional(),
  /** What the device can do at most, for each number of threads. */
  ceilings: z.array(of<Ceiling>(ceilingSchema)),
  /** In the order they were measured. */
  rows: z.array(of<BenchRow>(benchRowSchema)),
  /** Those that do not fit, cannot be had as asked, or failed. */
  skipped: z.array(of<SkippedRow>(skippedRowSchema)),
});

/** What `consilium bench --json` writes and bench/results holds. */
export interface BenchDocument extends z.infer<typeof benchDocumentSchema> {}
