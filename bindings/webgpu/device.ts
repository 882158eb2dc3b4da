import type { AnyPass, DType, FloatDType, GpuLimits, Params, Tiles, WgslLaunch } from "../../kernels/contract.js";
import {
  type Binding,
  BYTES,
  type DeviceOptions,
  type Memory,
  noCounts,
  type Profiler,
  type Recording,
} from "../device.js";
import { BindingTooLarge, KernelMissing } from "../errors.js";
import { chooseAdapter, describe, gpuLimits, requestDevice } from "./adapter.js";
import { BindGroups } from "./bind-groups.js";
import { Buffers, guardDamage, type WebGpuMemory } from "./buffer.js";
import { Commands, LAUNCHES_PER_SUBMIT } from "./commands.js";
import { Faults } from "./faults.js";
import { writeParams, writePlaces } from "./params.js";
import { type Part, partsOf } from "./parts.js";
import { Profile } from "./profile.js";
import { type Program, Programs } from "./program.js";
import { Readback } from "./readback.js";
import { WebGpuRecording } from "./recording.js";
import { resting } from "./rest.js";
import { Scratch } from "./scratch.js";
import { Uploads } from "./uploads.js";

const NO_TILES: Tiles = {};

/**
 * Opens the adapter that `gpu` prefers. Rejects where there is none, and where it is a software one unless
 * `allowSoftware` is set. `gpu` must stay reachable as long as the device (Dawn in Node lives no longer than it): the
 * binding keeps it.
 */
export async function openWebGpu(gpu: GPU, options: DeviceOptions = {}): Promise<Binding> {
  const adapter = await chooseAdapter(gpu, options.allowSoftware ?? false);
  const device = await requestDevice(adapter, options.experimental ?? false);
  return new WebGpuBinding(gpu, device, adapter.info, options.debug ?? false);
}

/** Launches become dispatches of one encoder; nothing waits for the device but `read`, `finish` and `checkGuards`. */
class WebGpuBinding implements Binding {
  readonly name = "webgpu";
  readonly description: string;
  readonly target: string;
  readonly limits: GpuLimits;
  readonly maxAllocation: number;
  /** Held so that it is not collected before the device. */
  readonly gpu: GPU;
  #device: GPUDevice;
  /** Along each side of a grid. */
  #mostWorkgroups: number;
  #faults: Faults;
  #buffers: Buffers;
  #commands: Commands;
  #programs: Programs;
  #groups: BindGroups;
  #readback: Readback;
  #uploads: Uploads;
  #scratch: Scratch;
  readonly counters = noCounts();
  /** Absent where the adapter has no timestamps. */
  readonly profiler?: Profiler;
  #recording: WebGpuRecording | null = null;
  #recordingBytes = 0;
  /** Programs being compiled ahead. */
  #preparing = new Set<Promise<void>>();
  #closed = false;

  constructor(gpu: GPU, device: GPUDevice, info: GPUAdapterInfo, debug: boolean) {
    this.gpu = gpu;
    this.description = describe(info);
    this.target = this.description;
    this.limits = gpuLimits(device, info);
    this.maxAllocation = device.limits.maxBufferSize;
    this.#device = device;
    this.#mostWorkgroups = device.limits.maxComputeWorkgroupsPerDimension;
    this.#faults = new Faults(device, this.description);
    this.#buffers = new Buffers(device, this.#faults, debug);
    this.#commands = new Commands(device, this.#faults, this.counters);
    this.#scratch = new Scratch(this.#buffers, (memory) => this.release(memory), debug);
    this.#programs = new Programs(device, this.#faults, this.counters);
    this.#groups = new BindGroups(device, this.#faults);
    this.#readback = new Readback(device, this.#faults);
    this.#uploads = new Uploads(device.queue);
    if (device.features.has("timestamp-query")) this.profiler = this.#newProfiler();
  }

  get ownBytes(): number {
    const kept = this.#scratch.ownBytes + this.#recordingBytes;
    return this.#commands.ownBytes + this.#readback.ownBytes + kept + this.waitingUploads;
  }

  get waitingUploads(): number {
    return this.#uploads.waiting;
  }

  allocate(length: number, dtype: DType): Memory {
    return this.#buffers.allocate(length * BYTES[dtype]);
  }

  release(memory: Memory): void {
    const own = memory as WebGpuMemory;
    this.#commands.retire(() => this.#buffers.release(own));
  }

  write(memory: Memory, data: ArrayBufferView, dtype: DType, start = 0): void {
    this.#faults.check();
    const own = memory as WebGpuMemory;
    const offset = start * BYTES[dtype];
    if (offset + data.byteLength > own.bytes)
      throw new RangeError(`webgpu: ${data.byteLength} bytes at ${offset} into ${own.bytes}`);
    if (own.batch === this.#commands.batch) this.#commands.flush();
    this.#device.queue.writeBuffer(own.buffer, offset, ...wholeWords(data));
    this.#uploads.add(data.byteLength);
    this.counters.uploaded += data.byteLength;
  }

  async read(memory: Memory, byteLength: number): Promise<ArrayBuffer> {
    if (byteLength > memory.bytes) throw new RangeError(`webgpu: ${byteLength} bytes from ${memory.bytes}`);
    this.#commands.flush();
    return this.#settled(this.#readback.read((memory as WebGpuMemory).buffer, 0, byteLength));
  }

  launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (Memory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    this.#faults.check();
    const own = buffers as readonly (WebGpuMemory | null)[];
    const scratch = this.#scratchFor(pass, params);
    const commands = this.#commands;
    this.#eachProgram(pass, dtype, { params, buffers: own }, (program, grid, part, launch) => {
      this.#checkGrid(pass, dtype, grid);
      const group = this.#groups.get(pass, program, part.buffers, scratch, commands.paramBinding(program));
      for (const index of program.bound) {
        const memory = own[index];
        if (memory) memory.batch = commands.batch;
      }
      const at = commands.reserve(program);
      writeParams(pass, part.params, commands.params, at);
      if (launch.places) writePlaces(launch.places, part, params, commands.params, at + 4 * pass.paramNames.length);
      const from = { view: commands.params, from: at, stride: commands.stride(program.paramBytes) };
      this.#recording?.add(pass, program, part.buffers, scratch, grid, from);
      commands.dispatch(program, group, at, grid[0], grid[1], grid[2]);
    });
  }

  prepare(pass: AnyPass, dtype: FloatDType, params: Readonly<Record<string, number>>): void {
    this.#faults.check();
    this.#eachProgram(pass, dtype, { params, buffers: [] }, ({ pipeline }) => this.#preparing.add(pipeline.prepare()));
  }

  async prepared(onProgress?: (done: number, of: number) => void): Promise<void> {
    const all = [...this.#preparing];
    this.#preparing.clear();
    let done = 0;
    await this.#settled(Promise.all(all.map((one) => one.then(() => onProgress?.(++done, all.length)))));
  }

  newRecording(): Recording {
    return new WebGpuRecording(this.#device);
  }

  record(recording: Recording | null): void {
    this.#recording = recording as WebGpuRecording | null;
  }

  replay(recording: Recording): void {
    this.#faults.check();
    const own = recording as WebGpuRecording;
    const before = own.ownBytes;
    try {
      own.replay(this.#commands, this.#groups);
    } finally {
      this.#recordingBytes += own.ownBytes - before;
    }
    // A later write must not overtake it: nobody notes which memory it uses.
    this.#commands.flush();
  }

  releaseRecording(recording: Recording): void {
    if (this.#closed) return;
    const own = recording as WebGpuRecording;
    this.#recordingBytes -= own.ownBytes;
    own.release(this.#commands);
    this.#scratch.unrecorded(own.scratches);
  }

  async finish(): Promise<void> {
    this.#commands.flush();
    await this.#settled(this.#device.queue.onSubmittedWorkDone());
    const scratches = this.#scratch.takeChecked();
    const damage = await Promise.all(scratches.map((memory) => this.checkGuards(memory)));
    for (const memory of scratches) this.#scratch.release(memory);
    const first = damage.find((text) => text !== null);
    if (first) throw new Error(`webgpu: a kernel wrote outside its scratch: ${first}`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#faults.lose(null);
    this.#commands.close();
    this.#groups.close();
    this.#readback.close();
    this.#buffers.releaseAll();
    this.#device.destroy();
  }

  async checkGuards(memory: Memory): Promise<string | null> {
    const own = memory as WebGpuMemory;
    const { offset, bytes } = this.#buffers.guardZone(own);
    this.#commands.flush();
    return bytes === 0 ? null : guardDamage(await this.#settled(this.#readback.read(own.buffer, offset, bytes)));
  }

  /** `work`, unless the device is lost; then any error that the implementation reported meanwhile. */
  async #settled<R>(work: Promise<R>): Promise<R> {
    const guarded = this.#faults.guard(work);
    const [result] = await Promise.allSettled([this.limits.software ? resting(guarded) : guarded]);
    await this.#faults.settle();
    if (result.status === "rejected") throw result.reason;
    return result.value;
  }

  /**
   * What `visit` is told: each program of a pass with its grid, for each part of a launch that must be cut; launches for
   * other adapters, and empty ones, are left out.
   */
  #eachProgram(
    pass: AnyPass,
    dtype: FloatDType,
    whole: Part,
    visit: (program: Program, grid: readonly [number, number, number], part: Part, launch: WgslLaunch<Params>) => void,
  ): void {
    const { webgpu } = pass;
    const has = (type: FloatDType) => type !== "f16" || this.limits.f16;
    if (!webgpu?.dtypes.includes(dtype) || !has(dtype))
      throw new KernelMissing(pass, this.name, dtype, webgpu?.dtypes.filter(has) ?? []);
    for (const launch of webgpu.launches) {
      const tiles = launch.tiles ? launch.tiles(whole.params, this.limits, dtype) : NO_TILES;
      if (!tiles || launch.grid(whole.params, tiles).includes(0)) continue;
      for (const part of partsOf(pass, launch, dtype, whole, this.limits.maxBinding)) {
        const grid = launch.grid(part.params, tiles);
        if (!grid.includes(0)) visit(this.#programs.get(pass, launch, dtype, tiles), grid, part, launch);
      }
    }
  }

  /** What the launches of a pass share; null where they share nothing. Throws BindingTooLarge. */
  #scratchFor(pass: AnyPass, params: Readonly<Record<string, number>>): WebGpuMemory | null {
    const bytes = pass.webgpu?.scratchBytes?.(params, this.limits);
    if (bytes === undefined) return null;
    const { maxBinding } = this.limits;
    if (bytes > maxBinding) throw new BindingTooLarge(pass, "scratch", bytes, maxBinding);
    return this.#scratch.get(bytes, this.#recording !== null);
  }

  #newProfiler(): Profiler {
    let profile: Profile | null = null;
    return {
      start: () => {
        profile = new Profile(this.#device, LAUNCHES_PER_SUBMIT);
        this.#commands.timeInto(profile);
      },
      stop: async () => {
        const own = profile as Profile;
        this.#commands.timeInto(null);
        return this.#settled(own.timings()).finally(() => own.close());
      },
    };
  }

  #checkGrid(pass: AnyPass, dtype: FloatDType, grid: readonly [number, number, number]): void {
    const most = this.#mostWorkgroups;
    if (grid[0] > most || grid[1] > most || grid[2] > most) {
      const reason = `a grid of ${grid.join(" x ")} workgroups; each side may have ${most}. Give it less at a time.`;
      throw new KernelMissing(pass, this.name, dtype, [], reason);
    }
  }
}

/** The arguments of `writeBuffer` for `data`, padded with zeros to whole 32-bit words where it must be. */
function wholeWords(data: ArrayBufferView): [ArrayBuffer, number, number] {
  if (data.byteLength % 4 === 0) return [data.buffer as ArrayBuffer, data.byteOffset, data.byteLength];
  const padded = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return [padded.buffer, 0, padded.byteLength];
}
