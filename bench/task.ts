import type { Device } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import type { BenchRow } from "./document.js";

/** An array on the host, as the engine and every peer receive it. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

/** What some calls took, from idle to idle. */
export interface Taken {
  readonly seconds: number;
  /** Of the processor, over all threads of the process, the driver's too; null where nobody can tell, as in a page. */
  readonly cpuSeconds: number | null;
}

/** Anything that can be timed. Idle before and after each call of `time`. */
export interface Contender {
  /** `calls` calls back to back. */
  time(calls: number): Promise<Taken>;
  release(): Promise<void> | void;
}

/** Our own: its work can be enqueued alone, to see what the host does. */
export interface EngineContender extends Contender {
  enqueue(calls: number): void;
  /** Where a call consumes what ran before it outside the clock, as a backward its forward: runs it. */
  ready?(calls: number): void;
}

export interface Prepared {
  readonly contender: EngineContender;
  /** What peers start from. Asked for before `results`, which may change it. */
  inputs(): Promise<HostTensors>;
  /** What one call computes, without dropout: peers must agree with it. */
  results(): Promise<Readonly<Record<string, Float32Array>>>;
  /** A call in two parts, to time the launches of each: `backward` consumes what `forward` left, `dispose` drops it. */
  readonly stages?: {
    forward(): void;
    backward?(): void;
    dispose(): void;
  };
  /** Of one set of the inputs on the device; absent where a call changes what it reads, as a training step does. */
  readonly inputBytes?: number;
  /** From now on calls take this many sets of the inputs in turn; results are still those of the first. Where there are inputBytes. */
  rotate?(copies: number): void;
  /** Bytes that one forward keeps for its backward, besides inputs and result; absent where nothing is trained. */
  savedBytes?(): Promise<number>;
}

export interface Needs {
  /** Of the device: inputs, result, gradients, and an estimate of what is between them. */
  readonly bytes: number;
  /** Of the host, for the inputs. */
  readonly hostBytes: number;
  /** Of the largest tensor on the device, in bytes and elements. */
  readonly tensorBytes: number;
  readonly elements: number;
}

/** One row to be: what is computed, on which shape. */
export interface Task {
  readonly suite: BenchRow["suite"];
  readonly op: string;
  readonly pass: BenchRow["pass"];
  readonly name: string;
  readonly shape: string;
  /** The published shapes it belongs to. */
  readonly set?: string;
  /** Of work with experts. */
  readonly routing?: BenchRow["routing"];
  readonly options: Readonly<Record<string, unknown>>;
  /** Inputs that get a gradient in the backward. */
  readonly trained: readonly string[];
  readonly flops: number | null;
  readonly bytes: number | null;
  /** Of one implementation against the truth, relative to the largest result; two of them may differ by twice that. */
  readonly tolerance: number;
  /** Calls of a piece, where the task says it; otherwise as many as fill some milliseconds. */
  readonly calls?: number;
  /** What it takes of memory, by its shapes; absent where that is little. */
  readonly needs?: Needs;
  /** Storage types beside f32 that it can be computed in. */
  readonly dtypes?: readonly FloatDType[];
  prepare(device: Device, dtype?: FloatDType): Promise<Prepared>;
}

export interface PeerCase {
  readonly contender: Contender;
  /**
   * What one call computes of the first set of inputs, without dropout: asked for before it is timed, and after. Null where it does
   * other work than the task on purpose, as its note says.
   */
  readonly results: (() => Promise<Readonly<Record<string, Float32Array>>>) | null;
  /** Its name among several. */
  readonly form?: string;
  /** Why it does not run. */
  readonly error?: string;
  readonly note?: string;
  /** Of its copies of the inputs, but for the first set. */
  readonly copiedBytes?: number;
  /** By how much its memory grew at most, one set of the inputs included; null where that is not known. */
  peakBytes?(): number | null;
}

/** Another library. */
export interface Peer {
  readonly version: string;
  /**
   * The ways it knows to compute the task: the fastest of those that agree with ours counts. Throws Unsupported where it
   * has no such operation. Calls take `copies` sets of the inputs (default 1) in turn, as ours do; results are
   * those of the first.
   */
  prepare(task: Task, inputs: HostTensors, copies?: number): Promise<readonly PeerCase[]>;
  close(): Promise<void> | void;
}

/** One that does not open here stays in the list, null with the reason. */
export interface OpenedPeer {
  readonly name: string;
  readonly peer: Peer | null;
  readonly reason: string;
}

/** A peer has no such operation; the message is the reason in the document. */
export class Unsupported extends Error {}
