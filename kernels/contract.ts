/**
 * The calling convention of every kernel: what a pass reads and writes, the numbers it takes, and the launches that
 * each device makes of it. See kernels/README.md. This file imports nothing, like the rest of the folder;
 * it is long because the whole convention, with what each member promises, is read in one place.
 */

/** Storage types of floating-point values. Every kernel accumulates in f32 (the reference in f64). */
export type FloatDType = "f32" | "bf16" | "f16";
/** Storage types of tensors. */
export type DType = FloatDType | "i32" | "u32";

/** What a reference works on: any typed array, or a plain one in tests. */
export type NumberArray = Float64Array | Float32Array | Int32Array | Uint32Array;

/** A buffer of a pass, as `read`, `write`, `update` and `optional` declare it. */
export interface BufferSpec {
  /** Whether its values count, are overwritten, or both. */
  readonly use: "in" | "out" | "inout";
  /** "value" is the one floating-point storage type of the call; every other buffer has a fixed type. */
  readonly dtype: "value" | DType;
  /** Letters (kernels/README.md) or numbers, space-separated; each letter is a u32 param of the pass. */
  readonly shape: string;
  /** Whether a call may leave it out. */
  readonly optional: boolean;
}

/** A buffer that every call has. */
export interface NeededBuffer<Use extends BufferSpec["use"]> extends BufferSpec {
  readonly use: Use;
  readonly optional: false;
}

/**
 * A buffer that a pass reads, such as `read("T C")`. `dtype`: "value", the storage type of the call, unless said otherwise.
 */
export const read = /* @__NO_SIDE_EFFECTS__ */ (
  shape: string,
  dtype: BufferSpec["dtype"] = "value",
): NeededBuffer<"in"> => ({
  use: "in",
  dtype,
  shape,
  optional: false,
});
/** A buffer that a pass overwrites: what was in it does not count. */
export const write = /* @__NO_SIDE_EFFECTS__ */ (
  shape: string,
  dtype: BufferSpec["dtype"] = "value",
): NeededBuffer<"out"> => ({
  use: "out",
  dtype,
  shape,
  optional: false,
});
/** A buffer that a pass reads and changes in place. */
export const update = /* @__NO_SIDE_EFFECTS__ */ (
  shape: string,
  dtype: BufferSpec["dtype"] = "value",
): NeededBuffer<"inout"> => ({
  use: "inout",
  dtype,
  shape,
  optional: false,
});
/** One that a call may leave out: null in the reference, nullptr in C++, a dummy in WGSL; let a param say whether it is there. */
export const optional = /* @__NO_SIDE_EFFECTS__ */ <S extends BufferSpec>(spec: S) =>
  ({ ...spec, optional: true }) as Omit<S, "optional"> & {
    /** It may be null. */
    readonly optional: true;
  };

/** Types of a pass's numbers. */
export type ParamType = "u32" | "f32";
/** Buffers of a pass by name, in the order of its kernels. */
export type Buffers = Readonly<Record<string, BufferSpec>>;
/** Numbers of a pass by name, in the order of its kernels. */
export type Params = Readonly<Record<string, ParamType>>;
/** Values for the numbers of a pass. */
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
  /** Its name without the storage type. */
  readonly symbol: string;
  /** How many cells there are: a cell is the least that one thread does. */
  cells(params: ParamValues<P>): number;
  /** Cells of a chunk. Default 1. */
  grain?(params: ParamValues<P>): number;
}

/** What `tiles` may choose by. Filled in from the adapter. */
export interface GpuLimits {
  /** Bytes. */
  readonly maxWorkgroupStorage: number;
  /** Threads. */
  readonly maxWorkgroupInvocations: number;
  /** Whether WGSL may use subgroup operations. */
  readonly subgroups: boolean;
  /** 0 where the adapter has no subgroups. */
  readonly subgroupSize: number;
  /** Whether WGSL may use f16. */
  readonly f16: boolean;
  /** Subgroup matrices of 16 × 16 × 16 with f16 elements and f32 sums, in subgroups of 32. */
  readonly matrices: boolean;
  /** Bytes that one binding may hold: a larger buffer is bound in parts (WgslLaunch.cut). */
  readonly maxBinding: number;
  /** A software rasteriser: barriers and workgroup memory are dear there. */
  readonly software: boolean;
}

/** Constants of a WGSL launch by name, the workgroup's size among them. */
export type Tiles = Readonly<Record<string, number>>;

/** A .wgsl file as `import source from "./forward.wgsl.js"` gives it. */
export interface WgslSource {
  /** `<folder>/<file stem>` of a file in kernels/. */
  readonly name?: string;
  /** WGSL. */
  readonly text: string;
  /** The files of common/wgsl that its first line names. */
  readonly common: readonly WgslSource[];
}

/** How a launch is cut into parts, each a launch of its own, where a buffer is larger than one binding may be. */
export interface Cut<P extends Params> {
  /** The u32 param that the parts share out. */
  readonly over: keyof P & string;
  /**
   * Elements for each of `over` in the buffers that are bound from where a part begins; the others are bound whole.
   * Where absent: of all buffers whose shape begins with that letter.
   */
  readonly along?: Readonly<Record<string, number>>;
  /** A part begins at a multiple of it. */
  readonly unit?: number;
  /** By how much a param grows with each of `over`. */
  readonly advance?: { readonly [K in keyof P]?: number };
  /** Params that the parts after the first have. */
  readonly later?: { readonly [K in keyof P]?: number };
}

/** One dispatch of a WGSL kernel. */
export interface WgslLaunch<P extends Params> {
  /** `tiles` become `const` lines behind its text. */
  readonly source: WgslSource;
  /** Files of common/wgsl besides those that `source` names: variants of one kernel differ in them. */
  readonly common?: readonly WgslSource[];
  /** By the params of the whole launch, all parts alike. Null where it is not for this adapter, but another of the pass: it is skipped. */
  tiles?(params: ParamValues<P>, limits: GpuLimits, dtype: FloatDType): Tiles | null;
  /** Workgroups in x, y, z. */
  grid(params: ParamValues<P>, tiles: Tiles): readonly [number, number, number];
  /**
   * Absent, or null, where the parts of the result depend on more than their own part of the inputs. Several are tried in
   * order, each where a buffer that it cuts is still too large.
   */
  cut?(params: ParamValues<P>, dtype: FloatDType): Cut<P> | readonly Cut<P>[] | null;
  /**
   * Params of which a part must know its place: for each, `<name>First` and `<name>Whole` (u32) follow the params in the
   * uniform, where the part begins and what the param is of the launch as a whole; 0 and the param itself where it is not cut.
   */
  readonly places?: readonly (keyof P & string)[];
  /** The buffers this launch binds, where it does not bind all of the pass's (WebGPU allows 8 to 10). */
  readonly buffers?: readonly string[];
}

/** What a CUDA launch may choose by. Filled in from the GPU. */
export interface CudaLimits {
  /** Compute capability: 80, 90. */
  readonly capability: number;
  /** How many blocks can run side by side at least. */
  readonly multiprocessors: number;
  /** Bytes of shared memory that one block may ask for. */
  readonly maxSharedBytes: number;
  /** Whether products of f32 may round their operands to tf32 (10 bits of mantissa) for the tensor cores. Off unless asked for. */
  readonly tf32: boolean;
}

/** One launch of a CUDA kernel, `extern "C" __global__` of the name `<symbol>_<value dtype>` in the pass's .cu file. */
export interface CudaLaunch<P extends Params> {
  /** Its name without the storage type. */
  readonly symbol: string;
  /** Storage types that it is there for. Default: all of the pass's. */
  readonly dtypes?: readonly FloatDType[];
  /** Blocks in x, y, z; an empty grid is skipped: one of another of the pass's launches, which is for this call. */
  grid(params: ParamValues<P>, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Threads of a block in x, y, z. */
  block(params: ParamValues<P>, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Dynamic shared memory of a block. Default 0. */
  sharedBytes?(params: ParamValues<P>, limits: CudaLimits, dtype: FloatDType): number;
}

/** How one device carries out a pass. Scratch is memory that only its launches share; it follows the last buffer. */
export interface Launches<P extends Params, L> {
  /** Storage types that it is there for. */
  readonly dtypes: readonly FloatDType[];
  /** Size of the scratch memory. Default 0: none. */
  scratchBytes?(params: ParamValues<P>): number;
  /** In order. */
  readonly launches: readonly L[];
}

/** How webgpu carries out a pass. Its scratch may depend on the adapter. */
export interface WgslLaunches<P extends Params> extends Omit<Launches<P, WgslLaunch<P>>, "scratchBytes"> {
  /** Size of the scratch memory. Default 0: none. */
  scratchBytes?(params: ParamValues<P>, limits: GpuLimits): number;
}

/** How cuda carries out a pass. Its scratch may depend on the GPU. */
export interface CudaLaunches<P extends Params> extends Omit<Launches<P, CudaLaunch<P>>, "scratchBytes"> {
  /** Size of the scratch memory, which every launch of the pass takes behind its buffers. Absent: none, and no argument for it. */
  scratchBytes?(params: ParamValues<P>, limits: CudaLimits, dtype: FloatDType): number;
  /** The compiled kernels, for a pass outside this package: the path of a fatbin or cubin, or a file URL, as a string too. */
  readonly library?: string | URL;
}

/** How the cpu device carries out a pass. */
export interface CpuLaunches<P extends Params> extends Launches<P, CpuLaunch<P>> {
  /**
   * The shared library with its symbols, for a pass outside this package: a path, or a file URL, as a string too. It is
   * loaded at the first launch. Compile it against consilium/kernel.h.
   */
  readonly library?: string | URL;
}

/** What `pass` takes: a computation of buffers and numbers, and what each device runs for it. */
export interface PassSpec<B extends Buffers, P extends Params> {
  /** `<folder>/<file stem>`: the pipeline label, test title, benchmark row and error prefix. */
  readonly label: string;
  /** In the order of the kernels. */
  readonly buffers: B;
  /** In the order of the kernels; the letters of the shapes are among them. */
  readonly params: P;
  /** The truth: plain loops, float64. */
  reference(buffers: ReferenceBuffers<B>, params: ParamValues<P>): void;
  /** Absent where the cpu device has no kernel for it. */
  readonly cpu?: CpuLaunches<P>;
  /** Absent where webgpu has no kernel for it. */
  readonly webgpu?: WgslLaunches<P>;
  /** Absent where cuda has no kernel for it. */
  readonly cuda?: CudaLaunches<P>;
}

/** A declared pass: what `run` takes. */
export interface Pass<B extends Buffers = Buffers, P extends Params = Params> extends PassSpec<B, P> {
  /** Keys of `buffers`. */
  readonly bufferNames: readonly (keyof B & string)[];
  /** Keys of `params`. */
  readonly paramNames: readonly (keyof P & string)[];
  /** Index into the tables that a device keeps per pass. */
  readonly id: number;
}

/** A pass of any buffers and params, for code that treats all alike. */
// biome-ignore lint/suspicious/noExplicitAny: the specific types are checked where a pass is defined and where it is run.
export type AnyPass = Pass<any, any>;

let passes = 0;

/** Declares a pass, with all its launches. Once, at the top of a module: devices keep what they compile by its identity. */
/* @__NO_SIDE_EFFECTS__ */
export function pass<const B extends Buffers, const P extends Params>(spec: PassSpec<B, P>): Pass<B, P> {
  return { ...spec, bufferNames: Object.keys(spec.buffers), paramNames: Object.keys(spec.params), id: passes++ };
}

/** Of the cpu device; WebGPU computes in f32 and f16. */
export const ALL_FLOATS: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** Rows per chunk so that a chunk touches about 16,384 elements, some ten microseconds of streaming. */
export const rowGrain = (elementsPerRow: number) => Math.max(1, Math.ceil(16384 / Math.max(1, elementsPerRow)));

/** ⌈a / b⌉. */
export const ceilDiv = (a: number, b: number) => Math.ceil(a / b);
