import type { AnyPass, DType, FloatDType } from "../../kernels/contract.js";
import { type Binding, BYTES, type DeviceName, type Memory, noCounts, type Recording } from "../device.js";
import type { NativeQueue } from "./addon.js";
import type { CommandWriter } from "./command-writer.js";
import { Guards } from "./guards.js";
import { NativeMemory } from "./memory.js";
import { NativeRecording } from "./recording.js";

const MAX_WORDS = 1 << 16;
/** Releases wait for the next submit, unless they hold back this much. */
const MAX_WAITING_BYTES = 64 << 20;
/** Scratch grows by doubling, up to this much more than what is needed. */
const MAX_SPARE_SCRATCH = 64 << 20;

/** What a launch of one pass in one storage type needs, looked up once. */
export interface NativePlan {
  /** Kernels. */
  readonly steps: readonly unknown[];
  readonly bufferNames: readonly string[];
  readonly optional: readonly boolean[];
}

/** How a native device lays out its memory, and how it is fed. */
export interface Layout {
  /** Allocations are rounded up to a multiple. */
  readonly granularity: number;
  /** Launches per submit at most: enough to make its cost vanish, few enough that the device starts early. */
  readonly batch: number;
  /** Bytes of a guard zone; null where it is no debug device. */
  readonly guard: number | null;
}

/**
 * What the devices of the addon share: memory, the command stream and when it is handed over, scratch, recordings, guard
 * zones. What a launch is, is theirs.
 */
export abstract class NativeBinding<
  Queue extends NativeQueue,
  Plan extends NativePlan,
  Writer extends CommandWriter,
  Kept extends NativeRecording = NativeRecording,
> implements Binding
{
  abstract readonly name: DeviceName;
  abstract readonly description: string;
  abstract readonly target: string;
  readonly limits = null;
  readonly counters = noCounts();
  /** Scratch. */
  ownBytes = 0;
  protected readonly native: Queue;
  protected readonly writer: Writer;
  protected recording: Kept | null = null;
  protected closed = false;
  private readonly granularity: number;
  private readonly batch: number;
  /** Of debug devices. */
  private readonly guards: Guards | null;
  private readonly live = new Set<NativeMemory>();
  private readonly plans: Record<FloatDType, (Plan | undefined)[]> = { f32: [], bf16: [], f16: [] };
  /** Addresses to release after the next submit: launches written so far may use them. */
  private waiting: number[] = [];
  private waitingBytes = 0;
  private scratch: NativeMemory | null = null;
  /** When debugging each pass has scratch of its own, which `finish` checks and frees. */
  private readonly scratches: NativeMemory[] = [];

  constructor(native: Queue, writer: Writer, { granularity, batch, guard }: Layout) {
    this.native = native;
    this.writer = writer;
    this.batch = batch;
    // Exact when debugging, so that the guard begins with the first byte outside.
    this.granularity = guard === null ? granularity : 1;
    this.guards = guard === null ? null : new Guards(native, guard);
  }

  /** Throws KernelMissing. */
  protected abstract makePlan(pass: AnyPass, dtype: FloatDType): Plan;

  abstract launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void;

  protected get debugging(): boolean {
    return this.guards !== null;
  }

  allocate(length: number, dtype: DType): Memory {
    return this.allocateBytes(length * BYTES[dtype]);
  }

  release(memory: Memory): void {
    const m = this.checked(memory);
    this.waiting.push(m.address - (this.guards?.size ?? 0));
    this.waitingBytes += m.bytes;
    this.live.delete(m);
    m.invalidate();
    if (this.waitingBytes > MAX_WAITING_BYTES) this.flush();
  }

  write(memory: Memory, data: ArrayBufferView, dtype: DType, start = 0): void {
    const { address, bytes } = this.checked(memory);
    const offset = start * BYTES[dtype];
    if (offset + data.byteLength > bytes)
      throw new RangeError(`${this.name}: write of ${data.byteLength} bytes at ${offset} into ${bytes}`);
    this.flush();
    this.counters.uploaded += data.byteLength;
    this.native.write(address + offset, data);
  }

  async read(memory: Memory, byteLength: number): Promise<ArrayBuffer> {
    const { address, bytes } = this.checked(memory);
    if (byteLength > bytes) throw new RangeError(`${this.name}: read of ${byteLength} bytes from ${bytes}`);
    this.flush();
    return this.native.read(address, byteLength);
  }

  newRecording(): Recording {
    return new NativeRecording();
  }

  record(recording: Recording | null): void {
    this.recording = recording as Kept | null;
  }

  replay(recording: Recording): void {
    const { words, length, launches } = recording as Kept;
    this.flush();
    if (length > 0) this.submit(words, length, launches);
  }

  releaseRecording(recording: Recording): void {
    if (this.closed) return;
    for (const scratch of (recording as Kept).release())
      if (scratch !== this.scratch && scratch.recordings === 0) this.releaseScratch(scratch);
  }

  async finish(): Promise<void> {
    this.flush();
    await this.native.finish();
    if (!this.guards) return;
    const damage = await Promise.all([...this.live].map((memory) => this.checkGuards(memory)));
    const first = damage.find((text) => text !== null);
    for (const memory of this.scratches.splice(0)) this.releaseScratch(memory);
    if (first) throw new Error(`${this.name}: a kernel wrote outside its buffer: ${first}`);
  }

  close(): void {
    this.closed = true;
    // No plan, no launch: `launch` itself need not look at `closed`.
    for (const plans of Object.values(this.plans)) plans.length = 0;
    this.native.close();
  }

  async checkGuards(memory: Memory): Promise<string | null> {
    if (!this.guards) return null;
    const { address, bytes } = this.checked(memory);
    return this.guards.check(address - this.guards.size, bytes);
  }

  /** The plan of a pass, made at its first launch. Throws KernelMissing. */
  protected planFor(pass: AnyPass, dtype: FloatDType): Plan {
    return this.plans[dtype][pass.id] ?? this.addPlan(pass, dtype);
  }

  private addPlan(pass: AnyPass, dtype: FloatDType): Plan {
    this.checkOpen();
    const plan = this.makePlan(pass, dtype);
    this.plans[dtype][pass.id] = plan;
    this.counters.programs += plan.steps.length;
    return plan;
  }

  /** Ends what `launch` does: words from `start` on are its launches, of which there were `before`. */
  protected launched(start: number, before: number, scratch: NativeMemory | null): void {
    const { writer } = this;
    this.recording?.append(writer.words, start, writer.length, writer.launches - before, scratch);
    if (writer.launches >= this.batch || writer.length >= MAX_WORDS) this.flush();
  }

  /** One region for all passes, since launches run in order; it only grows. A recording keeps the one it was made with. */
  protected scratchOf(bytes: number): NativeMemory {
    if (this.guards && this.recording === null) {
      const fresh = this.allocateScratch(bytes);
      this.scratches.push(fresh);
      return fresh;
    }
    const smaller = this.scratch;
    if (smaller !== null && smaller.bytes >= bytes) return smaller;
    const before = smaller?.bytes ?? 0;
    if (smaller !== null && smaller.recordings === 0) {
      this.scratch = null;
      this.releaseScratch(smaller);
      // The larger one may lie where it was: both at once would be the peak.
      this.flush();
    }
    this.scratch = this.growScratch(bytes, Math.min(2 * before, before + MAX_SPARE_SCRATCH));
    return this.scratch;
  }

  protected submit(words: Uint32Array, length: number, launches: number): void {
    this.native.submit(words, length);
    this.counters.submissions++;
    this.counters.launches += launches;
  }

  /** Hands over what was written, then what was released. */
  protected flush(): void {
    const { writer } = this;
    if (writer.launches > 0) this.submit(writer.words, writer.length, writer.launches);
    writer.clear();
    if (this.waiting.length === 0) return;
    const addresses = Float64Array.from(this.waiting);
    this.waiting = [];
    this.waitingBytes = 0;
    this.native.release(addresses);
  }

  protected checkOpen(): void {
    if (this.closed) throw new Error(`${this.name}: the device is closed`);
  }

  private allocateBytes(bytes: number): NativeMemory {
    const size = Math.ceil(Math.max(bytes, this.guards ? 0 : 1) / this.granularity) * this.granularity;
    const guard = this.guards?.size ?? 0;
    const start = this.take(size + 2 * guard);
    const memory = new NativeMemory(start + guard, size);
    if (this.guards) {
      this.guards.fill(start, size);
      this.live.add(memory);
    }
    return memory;
  }

  /** Where the system refuses, what waits to be released makes room. */
  private take(bytes: number): number {
    try {
      return this.native.allocate(bytes);
    } catch (error) {
      if (this.waiting.length === 0) throw error;
      this.flush();
      return this.native.allocate(bytes);
    }
  }

  private checked(memory: Memory): NativeMemory {
    this.checkOpen();
    const m = memory as NativeMemory;
    if (m.address === 0) throw new Error(`${this.name}: the memory was released`);
    return m;
  }

  private allocateScratch(bytes: number): NativeMemory {
    const memory = this.allocateBytes(bytes);
    this.ownBytes += memory.bytes;
    return memory;
  }

  /** Room for `bytes`, and up to `spare` where there is some. */
  private growScratch(bytes: number, spare: number): NativeMemory {
    const larger = Math.max(bytes, spare, 1 << 16);
    try {
      return this.allocateScratch(larger);
    } catch (error) {
      if (larger === bytes) throw error;
      return this.allocateScratch(bytes);
    }
  }

  private releaseScratch(memory: NativeMemory): void {
    this.ownBytes -= memory.bytes;
    this.release(memory);
  }
}

/** Throws where a pass is not given what it declares. */
export function checkBuffers(pass: AnyPass, plan: NativePlan, buffers: readonly (NativeMemory | null)[]): void {
  const { optional } = plan;
  if (buffers.length !== optional.length)
    throw new Error(`${pass.label}: ${buffers.length} buffers given, ${plan.bufferNames.join(", ")} expected`);
  for (let i = 0; i < buffers.length; i++) {
    const memory = buffers[i];
    if (memory === null ? !optional[i] : memory.address === 0)
      throw new Error(`${pass.label}: buffer ${plan.bufferNames[i]} is ${memory === null ? "missing" : "released"}`);
  }
}
