/**
 * The calling convention of every kernel: what a pass reads and writes, the numbers it takes, and the launches that
 * each device makes of it. See kernels/README.md. This file imports nothing, like the rest of the folder.
 */

/** Storage types of floating-point values. Every kernel accumulates in f32 (the reference in f64). */
export type FloatDType = "f32" | "bf16" | "f16";
/** Storage types of tensors. */
export type DType = FloatDType | "i32" | "u32";

/** What a reference works on: any typed array, or a plain one in tests. */
export type NumberArray = Float64Array | Float32Array | Int32Array | Uint32Array;

export interface BufferSpec {
  readonly use: "in" | "out" | "inout";
  /** "value" is the one floating-point storage type of the call; every other buffer has a fixed type. */
  readonly dtype: "value" | DType;
  /** Letters (kernels/README.md) or numbers, space-separated; each letter is a u32 param of the pass. */
  readonly shape: string;
  readonly optional: boolean;
}

/**
 * A buffer that a pass reads, such as `read("T C")`. `dtype`: "value", the storage type of the call, unless said otherwise.
 */
export const read = (shape: string, dtype: BufferSpec["dtype"] = "value") =>
  ({ use: "in", dtype, shape, optional: false }) as const;
/** A buffer that a pass overwrites: what was in it does not count. */
export const write = (shape: string, dtype: BufferSpec["dtype"] = "value") =>
  ({ use: "out", dtype, shape, optional: false }) as const;
/** A buffer that a pass reads and changes in place. */
export const update = (shape: string, dtype: BufferSpec["dtype"] = "value") =>
  ({ use: "inout", dtype, shape, optional: false }) as const;
/** One that a call may leave out: null in the reference, nullptr in C++, a dummy in WGSL; let a param say whether it is there. */
export const optional = <S extends BufferSpec>(spec: S) =>
  ({ ...spec, optional: true }) as Omit<S, "optional"> & { readonly optional: true };

export type ParamType = "u32" | "f32";
export type Buffers = Readonly<Record<string, BufferSpec>>;
export type Params = Readonly<Record<string, ParamType>>;
export type ParamValues<P extends Params> = { readonly [K in keyof P]: number };

/** The buffers a reference receives: an absent optional one is null. */
export type ReferenceBuffers<B extends Buffers> = {
  readonly [K in keyof B]: B[K]["optional"] extends true ? NumberArray | null : NumberArray;
};

/**
 * One C symbol, `<symbol>_<value dtype>`, run over cells [0, cells). The pool hands out chunks of `grain` cells, so a
 * launch with cells <= grain stays on the queue thread. Neither may depend on the number of threads: a result must not.
 */
export interface CpuLaunch<P extends Params> {
  readonly symbol: string;
  cells(params: ParamValues<P>): number;
  grain?(params: ParamValues<P>): number;
}

/** What `tiles` may choose by. Filled in from the adapter. */
export interface GpuLimits {
  readonly maxWorkgroupStorage: number;
  readonly maxWorkgroupInvocations: number;
  readonly subgroups: boolean;
  /** 0 where the adapter has no subgroups. */
  readonly subgroupSize: number;
  readonly f16: boolean;
  /** A software rasteriser: barriers and workgroup memory are dear there. */
  readonly software: boolean;
}

export type Tiles = Readonly<Record<string, number>>;

/** A .wgsl file as `import source from "./forward.wgsl.js"` gives it. */
export interface WgslSource {
  readonly text: string;
  /** The files of common/wgsl that its first line names. */
  readonly common: readonly WgslSource[];
}

export interface WgslLaunch<P extends Params> {
  /** `tiles` become `const` lines behind its text. */
  readonly source: WgslSource;
  /** Files of common/wgsl besides those that `source` names: variants of one kernel differ in them. */
  readonly common?: readonly WgslSource[];
  /** Null where the launch is not for this adapter, but another of the pass: it is skipped. */
  tiles?(params: ParamValues<P>, limits: GpuLimits): Tiles | null;
  /** Workgroups in x, y, z. */
  grid(params: ParamValues<P>, tiles: Tiles): readonly [number, number, number];
  /** The buffers this launch binds, where it does not bind all of the pass's (WebGPU allows 8 to 10). */
  readonly buffers?: readonly string[];
}

export interface CudaLaunch<P extends Params> {
  readonly symbol: string;
  grid(params: ParamValues<P>): readonly [number, number, number];
  block(params: ParamValues<P>): readonly [number, number, number];
  sharedBytes?(params: ParamValues<P>): number;
}

/** How one device carries out a pass. Scratch is memory that only its launches share; it follows the last buffer. */
export interface Launches<P extends Params, L> {
  readonly dtypes: readonly FloatDType[];
  scratchBytes?(params: ParamValues<P>): number;
  readonly launches: readonly L[];
}

export interface CpuLaunches<P extends Params> extends Launches<P, CpuLaunch<P>> {
  /**
   * The shared library with its symbols, for a pass outside this package: a path or file URL. It is loaded at the first
   * launch. Compile it against consilium/kernel.h.
   */
  readonly library?: string | URL;
}

export interface PassSpec<B extends Buffers, P extends Params> {
  /** `<folder>/<file stem>`: the pipeline label, test title, benchmark row and error prefix. */
  readonly label: string;
  readonly buffers: B;
  readonly params: P;
  /** The truth: plain loops, float64. */
  reference(buffers: ReferenceBuffers<B>, params: ParamValues<P>): void;
  readonly cpu?: CpuLaunches<P>;
  readonly webgpu?: Launches<P, WgslLaunch<P>>;
  readonly cuda?: Launches<P, CudaLaunch<P>>;
}

export interface Pass<B extends Buffers = Buffers, P extends Params = Params> extends PassSpec<B, P> {
  readonly bufferNames: readonly (keyof B & string)[];
  readonly paramNames: readonly (keyof P & string)[];
  /** Index into the tables that a device keeps per pass. */
  readonly id: number;
}

/** A pass of any buffers and params, for code that treats all alike. */
// biome-ignore lint/suspicious/noExplicitAny: the specific types are checked where a pass is defined and where it is run.
export type AnyPass = Pass<any, any>;

let passes = 0;

/** Declares a pass, with all its launches. Once, at the top of a module: devices keep what they compile by its identity. */
export function pass<const B extends Buffers, const P extends Params>(spec: PassSpec<B, P>): Pass<B, P> {
  return { ...spec, bufferNames: Object.keys(spec.buffers), paramNames: Object.keys(spec.params), id: passes++ };
}

/** Of the cpu device; WebGPU computes in f32 and f16. */
export const ALL_FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** Rows per chunk so that a chunk touches about 16,384 elements, some ten microseconds of streaming. */
export const rowGrain = (elementsPerRow: number) => Math.max(1, Math.ceil(16384 / Math.max(1, elementsPerRow)));

export const ceilDiv = (a: number, b: number) => Math.ceil(a / b);

// ---------------------------------------------------------------------------------------------------------------------
// Cases: one table for tests, gradient checks, coverage, benchmarks and rooflines.

/** How a test or benchmark fills an input. A bare shape means normal(0, 1) values of the case's dtype. */
export type InputSpec =
  | readonly number[]
  | {
      readonly shape: readonly number[];
      /** normal: N(0, 1) · spiky: normal with rare values of 30 times the size · positive: uniform in [0.5, 1.5) */
      readonly fill?: "normal" | "spiky" | "positive";
      readonly scale?: number;
    }
  /** Uniform integers in [low, high). */
  | { readonly shape: readonly number[]; readonly dtype: "i32"; readonly low: number; readonly high: number }
  /** Given values. */
  | { readonly shape: readonly number[]; readonly dtype?: DType; readonly values: readonly number[] };

export interface OpCase {
  /** Named after its edge: "one row", "tail smaller than a tile", "MISS-small qkv". */
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Storage types it runs in; f32 when absent. */
  readonly dtypes?: readonly FloatDType[];
  /** Inputs whose gradient is not compared, with the reason. */
  readonly noGradient?: Readonly<Record<string, string>>;
  /** Inputs whose gradient is by definition not the derivative (a padding row): compared, but not with differences. */
  readonly notDerivative?: Readonly<Record<string, string>>;
  /** |difference| <= tolerance * max(1, largest reference magnitude); overrides the op's, with the reason. */
  readonly tolerance?: { readonly value: Partial<Record<FloatDType, number>>; readonly reason: string };
  readonly bench?: true;
}

export interface CaseTable {
  /** Name of the op in engine/ops (`OpDefinition.name`). */
  readonly op: string;
  /** By dtype and length of sum; `reason` says how it was chosen. */
  readonly tolerance: Readonly<Record<FloatDType, number>>;
  readonly reason: string;
  readonly cases: readonly OpCase[];
  /** Useful work of a case: floating-point operations and bytes that must move at least. */
  cost?(c: OpCase, pass: "forward" | "backward"): { readonly flops: number; readonly bytes: number };
}
