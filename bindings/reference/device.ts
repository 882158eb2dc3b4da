import type { DType, FloatDType, NumberArray, Pass } from "../../kernels/contract.js";
import { type Binding, BYTES, type DeviceOptions, type Memory, noCounts, type Recording } from "../device.js";
import { KernelMissing } from "../errors.js";
import { fromStorage, roundInPlace, toStorage } from "./rounding.js";

/** One allocation seen three ways; floating values of every storage type live as float64. */
class ReferenceMemory implements Memory {
  readonly bytes: number;
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;

  constructor(bytes: number) {
    this.bytes = bytes;
    // Two bytes is the narrowest storage type, eight what it takes here.
    const buffer = new ArrayBuffer(Math.ceil(bytes / 2) * 8);
    this.f64 = new Float64Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  view(dtype: DType): NumberArray {
    return dtype === "i32" ? this.i32 : dtype === "u32" ? this.u32 : this.f64;
  }
}

class ReferenceRecording implements Recording {
  readonly steps: (() => void)[] = [];

  get launches(): number {
    return this.steps.length;
  }
}

/**
 * Runs `reference.ts` of each pass at once. After each pass its outputs are rounded to their storage type, so results are
 * those of exact arithmetic with faithful storage; `exact` leaves the rounding out, for finite differences.
 */
export class ReferenceBinding implements Binding {
  readonly name = "reference";
  readonly description: string;
  readonly target: string;
  readonly limits = null;
  readonly counters = noCounts();
  readonly ownBytes = 0;
  readonly #exact: boolean;
  readonly #debug: boolean;
  #recording: ReferenceRecording | null = null;

  constructor(options: DeviceOptions = {}) {
    this.#exact = options.exact ?? false;
    this.#debug = options.debug ?? false;
    this.description = this.#exact
      ? "float64 loops, unrounded"
      : "float64 loops, results rounded to their storage type";
    this.target = this.description;
  }

  allocate(length: number, dtype: DType): Memory {
    const memory = new ReferenceMemory(length * BYTES[dtype]);
    if (this.#debug) memory.f64.fill(Number.NaN);
    return memory;
  }

  release(): void {}

  write(memory: Memory, data: ArrayBufferView, dtype: DType, start = 0): void {
    const m = memory as ReferenceMemory;
    this.counters.uploaded += data.byteLength;
    if (data instanceof Float64Array) m.f64.set(data, start);
    else fromStorage(data, dtype, m.view(dtype).subarray(start));
  }

  async read(memory: Memory, byteLength: number, dtype: DType): Promise<ArrayBuffer> {
    return toStorage((memory as ReferenceMemory).view(dtype), byteLength / BYTES[dtype], dtype);
  }

  /** The unrounded values of an exact device. */
  values(memory: Memory, length: number): Float64Array {
    return (memory as ReferenceMemory).f64.slice(0, length);
  }

  launch(
    pass: Pass,
    dtype: FloatDType,
    buffers: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    if (!pass.reference) throw new KernelMissing(pass, "reference", dtype, []);
    if (this.#recording) {
      const [ownBuffers, ownParams] = [[...buffers], { ...params }];
      this.#recording.steps.push(() => this.#run(pass, dtype, ownBuffers, ownParams));
    }
    this.#run(pass, dtype, buffers, params);
  }

  #run(
    pass: Pass,
    dtype: FloatDType,
    buffers: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    this.counters.launches++;
    const arrays: Record<string, NumberArray | null> = {};
    const types = pass.bufferNames.map((name) => {
      const type = pass.buffers[name].dtype;
      return type === "value" ? dtype : type;
    });
    pass.bufferNames.forEach((name, i) => {
      arrays[name] = (buffers[i] as ReferenceMemory | null)?.view(types[i]) ?? null;
    });
    // A kernel receives its f32 params in f32: a rate of 0.99 is 0.9900000095 to it.
    const numbers: Record<string, number> = {};
    for (const name of pass.paramNames)
      numbers[name] = pass.params[name] === "f32" ? Math.fround(params[name]) : params[name];
    pass.reference(arrays as never, numbers as never);
    if (this.#exact) return;
    pass.bufferNames.forEach((name, i) => {
      const memory = buffers[i] as ReferenceMemory | null;
      if (memory && pass.buffers[name].use !== "in") roundInPlace(memory.f64, types[i]);
    });
  }

  newRecording(): Recording {
    return new ReferenceRecording();
  }

  record(recording: Recording | null): void {
    this.#recording = recording as ReferenceRecording | null;
  }

  replay(recording: Recording): void {
    for (const step of (recording as ReferenceRecording).steps) step();
  }

  releaseRecording(recording: Recording): void {
    (recording as ReferenceRecording).steps.length = 0;
  }

  async finish(): Promise<void> {}

  close(): void {}
}
