import type { AnyPass, DType, FloatDType } from "../../kernels/contract.js";
import {
  type Binding,
  BYTES,
  type DeviceOptions,
  type FileRange,
  type Memory,
  noCounts,
  type Recording,
} from "../device.js";
import type { NativeAddon, NativeDevice } from "./addon.js";
import { CommandWriter } from "./command-writer.js";
import * as guards from "./guards.js";
import { CpuMemory } from "./memory.js";
import { type Plan, planOf } from "./plan.js";
import { CpuRecording } from "./recording.js";

/** Launches per submit at most: enough to make its cost vanish, few enough that the queue thread starts early. */
const MAX_LAUNCHES = 256;
const MAX_WORDS = 1 << 16;
/** Releases wait for the next submit, unless they hold back this much. */
const MAX_WAITING_BYTES = 64 << 20;

/**
 * The cpu device: SIMD kernels of the addon, on a queue thread and its pool. Without `threads` it takes every core of
 * the affinity mask; callers that know of a cgroup quota (`platform.cores`) pass it.
 */
export function openCpu(addon: NativeAddon, options: DeviceOptions = {}): Binding {
  return new CpuBinding(addon, options);
}

class CpuBinding implements Binding {
  readonly name = "cpu";
  readonly description: string;
  readonly target: string;
  readonly limits = null;
  readonly counters = noCounts();
  private readonly native: NativeDevice;
  /** Bytes of the zone before each allocation, and after it: 0 unless debugging. */
  private readonly guard: number;
  private readonly live: Set<CpuMemory> | null;
  private readonly plans: Record<FloatDType, (Plan | undefined)[]> = {
    f32: [],
    bf16: [],
    f16: [],
  };
  private readonly writer = new CommandWriter();
  /** Addresses to release after the next submit: launches written so far may use them. */
  private waiting: number[] = [];
  private waitingBytes = 0;
  private scratch: CpuMemory | null = null;
  /** When debugging each pass has scratch of its own, which `finish` checks and frees. */
  private readonly scratches: CpuMemory[] = [];
  private recording: CpuRecording | null = null;
  private closed = false;
  /** Scratch. */
  ownBytes = 0;

  constructor(addon: NativeAddon, options: DeviceOptions) {
    this.native = addon.createDevice(options.threads ?? 0);
    const { threads } = this.native;
    const chip = addon.chip === "" ? "" : `${addon.chip}, `;
    this.target = addon.target;
    this.description = `${chip}${addon.target}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    this.guard = options.debug ? guards.GUARD : 0;
    this.live = options.debug ? new Set() : null;
  }

  allocate(length: number, dtype: DType): Memory {
    return this.allocateBytes(length * BYTES[dtype]);
  }

  map(ranges: readonly FileRange[]): Memory | null {
    // No room for guard zones between the pages of a file.
    if (this.live) return null;
    const numbers = ranges.flatMap(({ descriptor, offset, bytes }) => [descriptor, offset, bytes]);
    const address = this.native.map(Float64Array.from(numbers));
    return address === 0
      ? null
      : new CpuMemory(
          address,
          ranges.reduce((sum, { bytes }) => sum + bytes, 0),
        );
  }

  release(memory: Memory): void {
    const m = this.checked(memory);
    this.waiting.push(m.address - this.guard);
    this.waitingBytes += m.bytes;
    this.live?.delete(m);
    m.invalidate();
    if (this.waitingBytes > MAX_WAITING_BYTES) this.flush();
  }

  write(memory: Memory, data: ArrayBufferView, dtype: DType, start = 0): void {
    const { address, bytes } = this.checked(memory);
    const offset = start * BYTES[dtype];
    if (offset + data.byteLength > bytes)
      throw new RangeError(`cpu: write of ${data.byteLength} bytes at ${offset} into ${bytes}`);
    this.flush();
    this.counters.uploaded += data.byteLength;
    this.native.write(address + offset, data);
  }

  async read(memory: Memory, byteLength: number): Promise<ArrayBuffer> {
    const { address, bytes } = this.checked(memory);
    if (byteLength > bytes) throw new RangeError(`cpu: read of ${byteLength} bytes from ${bytes}`);
    this.flush();
    return this.native.read(address, byteLength);
  }

  launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (CpuMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    const plan = this.plans[dtype][pass.id] ?? this.addPlan(pass, dtype);
    checkBuffers(pass, plan, buffers);
    const scratch = plan.scratchBytes === null ? null : this.scratchOf(plan.scratchBytes(params));
    const { writer } = this;
    const start = writer.length;
    const before = writer.launches;
    for (const step of plan.steps) {
      const { launch } = step;
      const cells = launch.cells(params);
      const grain = launch.grain === undefined ? 1 : launch.grain(params);
      if (cells >>> 0 !== cells || grain >>> 0 !== grain || grain === 0)
        throw new RangeError(`${pass.label}: ${cells} cells by ${grain} in launch ${launch.symbol}`);
      if (cells > 0) writer.launch(step, cells, grain, scratch, buffers, params);
    }
    if (this.recording !== null)
      this.recording.append(writer.words, start, writer.length, writer.launches - before, scratch);
    if (writer.launches >= MAX_LAUNCHES || writer.length >= MAX_WORDS) this.flush();
  }

  newRecording(): Recording {
    return new CpuRecording();
  }

  record(recording: Recording | null): void {
    this.recording = recording as CpuRecording | null;
  }

  replay(recording: Recording): void {
    const { words, length, launches } = recording as CpuRecording;
    this.flush();
    if (length > 0) this.submit(words, length, launches);
  }

  releaseRecording(recording: Recording): void {
    if (this.closed) return;
    for (const scratch of (recording as CpuRecording).release())
      if (scratch !== this.scratch && scratch.recordings === 0) this.releaseScratch(scratch);
  }

  async finish(): Promise<void> {
    this.flush();
    await this.native.finish();
    if (!this.live) return;
    const damage = await Promise.all([...this.live].map((memory) => this.checkGuards(memory)));
    const first = damage.find((text) => text !== null);
    for (const memory of this.scratches.splice(0)) this.releaseScratch(memory);
    if (first) throw new Error(`cpu: a kernel wrote outside its buffer: ${first}`);
  }

  close(): void {
    this.closed = true;
    // No plan, no launch: `launch` itself need not look at `closed`.
    for (const plans of Object.values(this.plans)) plans.length = 0;
    this.native.close();
  }

  async checkGuards(memory: Memory): Promise<string | null> {
    if (!this.live) return null;
    const { address, bytes } = this.checked(memory);
    return guards.check(this.native, address - this.guard, bytes);
  }

  private allocateBytes(bytes: number): CpuMemory {
    // Exact when debugging, so that the guard begins with the first byte outside.
    const size = this.live ? bytes : Math.ceil(Math.max(bytes, 1) / 64) * 64;
    const start = this.native.allocate(size + 2 * this.guard);
    const memory = new CpuMemory(start + this.guard, size);
    if (this.live) {
      guards.fill(this.native, start, size);
      this.live.add(memory);
    }
    return memory;
  }

  private checked(memory: Memory): CpuMemory {
    if (this.closed) throw new Error("cpu: the device is closed");
    const m = memory as CpuMemory;
    if (m.address === 0) throw new Error("cpu: the memory was released");
    return m;
  }

  private addPlan(pass: AnyPass, dtype: FloatDType): Plan {
    if (this.closed) throw new Error("cpu: the device is closed");
    const plan = planOf(pass, dtype, this.native);
    this.plans[dtype][pass.id] = plan;
    this.counters.programs += plan.steps.length;
    return plan;
  }

  /** One region for all passes, since launches run in order; it only grows. A recording keeps the one it was made with. */
  private scratchOf(bytes: number): CpuMemory {
    if (this.live && this.recording === null) {
      const fresh = this.allocateScratch(bytes);
      this.scratches.push(fresh);
      return fresh;
    }
    if (this.scratch !== null && this.scratch.bytes >= bytes) return this.scratch;
    const larger = this.allocateScratch(Math.max(bytes, 2 * (this.scratch?.bytes ?? 0), 1 << 16));
    if (this.scratch !== null && this.scratch.recordings === 0) this.releaseScratch(this.scratch);
    this.scratch = larger;
    return larger;
  }

  private allocateScratch(bytes: number): CpuMemory {
    const memory = this.allocateBytes(bytes);
    this.ownBytes += memory.bytes;
    return memory;
  }

  private releaseScratch(memory: CpuMemory): void {
    this.ownBytes -= memory.bytes;
    this.release(memory);
  }

  private submit(words: Uint32Array, length: number, launches: number): void {
    this.native.submit(words, length);
    this.counters.submissions++;
    this.counters.launches += launches;
  }

  private flush(): void {
    const { writer, native } = this;
    if (writer.launches > 0) this.submit(writer.words, writer.length, writer.launches);
    writer.clear();
    if (this.waiting.length === 0) return;
    native.release(Float64Array.from(this.waiting));
    this.waiting = [];
    this.waitingBytes = 0;
  }
}

function checkBuffers(pass: AnyPass, plan: Plan, buffers: readonly (CpuMemory | null)[]): void {
  const { optional } = plan;
  if (buffers.length !== optional.length)
    throw new Error(`${pass.label}: ${buffers.length} buffers given, ${plan.bufferNames.join(", ")} expected`);
  for (let i = 0; i < buffers.length; i++) {
    const memory = buffers[i];
    if (memory === null ? !optional[i] : memory.address === 0)
      throw new Error(`${pass.label}: buffer ${plan.bufferNames[i]} is ${memory === null ? "missing" : "released"}`);
  }
}
