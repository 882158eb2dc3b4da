/** The cases of an op: one table for tests, gradient checks, coverage, benchmarks and rooflines. */
import type { DType, FloatDType } from "./contract.js";

/** How a test or benchmark fills an input. A bare shape means normal(0, 1) values of the case's dtype. */
export type InputSpec =
  | readonly number[]
  | {
      /** Sizes. */
      readonly shape: readonly number[];
      /** normal: N(0, 1) · spiky: normal with rare values of 30 times the size · positive: uniform in [0.5, 1.5) */
      readonly fill?: "normal" | "spiky" | "positive";
      /** Factor of the values. Default 1. */
      readonly scale?: number;
    }
  | {
      /** Sizes. */
      readonly shape: readonly number[];
      /** Uniform integers in [low, high). */
      readonly dtype: "i32";
      /** The least. */
      readonly low: number;
      /** One above the largest. */
      readonly high: number;
    }
  | {
      /** Sizes. */
      readonly shape: readonly number[];
      /** Default: that of the case. */
      readonly dtype?: DType;
      /** All of them, row-major. */
      readonly values: readonly number[];
    };

/** A problem that an op is tested, and may be timed, with. */
export interface OpCase {
  /** Named after its edge: "one row", "tail smaller than a tile", "MISS-small qkv". */
  readonly name: string;
  /** By the op's names; one that is absent is null. */
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** What the op takes besides tensors. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Storage types it runs in; f32 when absent. */
  readonly dtypes?: readonly FloatDType[];
  /** Inputs whose gradient is not compared, with the reason. */
  readonly noGradient?: Readonly<Record<string, string>>;
  /** Inputs whose gradient is by definition not the derivative (a padding row): compared, but not with differences. */
  readonly notDerivative?: Readonly<Record<string, string>>;
  /** |difference| <= tolerance * max(1, largest reference magnitude); overrides the op's, with the reason. */
  readonly tolerance?: {
    /** By storage type. */
    readonly value: Partial<Record<FloatDType, number>>;
    /** Why the op's does not do. */
    readonly reason: string;
  };
  /** Timed by the benchmarks too. */
  readonly bench?: true;
}

/**
 * The least work that a problem takes, of one pass. The conventions, the same for ours and for peers:
 *
 * - A multiply-add is two operations. Where an op is made of matrix products, nothing else counts: no bias, activation, softmax of
 *   attention, dropout. M × N × K: 2MNK forward, twice that backward. Attention: 4 B H D for each pair of query and key, of
 *   which a causal mask leaves out those to come, but no other mask any; backward 2.5 times that (the scores again, then four
 *   products). Experts: of the rows they are given, 6 R C F for a gated layer. Adapters on a frozen layer: no gradient of its
 *   weight.
 * - Elsewhere, per element: addition, multiplication, division, comparison and any function of one number (exp, tanh, gelu)
 *   count one each, and so does its derivative. What is done once a row, or once a position (its mean, its angle), counts
 *   nothing, nor does choosing the largest of some.
 * - The backward is that of all inputs with a gradient.
 * - Bytes: what is read of the inputs, each once, and the results, each once, in the storage type of the call; indices and what
 *   is f32 by definition, 4 bytes. A backward reads inputs, or results instead, and dy, and writes gradients, whole: what else a
 *   forward keeps for it, and statistics of rows, do not count. Indices that are drawn are taken to be different ones.
 */
export interface Cost {
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes that must move between memory and the chip. */
  readonly bytes: number;
}

/** The cases of an op, and how exact it is. */
export interface CaseTable {
  /** Name of the op in engine/ops (`OpDefinition.name`). */
  readonly op: string;
  /** By dtype and length of sum; `reason` says how it was chosen. */
  readonly tolerance: Readonly<Record<FloatDType, number>>;
  /** How the tolerance was chosen. */
  readonly reason: string;
  /** Edges first, then the layers of real models. */
  readonly cases: readonly OpCase[];
  /** Useful work of a case; `dtype` is the storage type of the call, f32 where absent. */
  cost?(c: OpCase, pass: "forward" | "backward", dtype?: FloatDType): Cost;
}

/**
 * Published problems by name, larger than tests are for: the benchmarks run them when they are asked for. `size` stands for what
 * a set sweeps (tokens, keys or images, as it says); without it come the sizes that were published.
 */
export type CaseSets = Readonly<Record<string, (size?: number) => readonly OpCase[]>>;
