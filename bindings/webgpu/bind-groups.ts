import type { AnyPass } from "../../kernels/contract.js";
import type { WebGpuMemory } from "./buffer.js";
import { BufferUsage } from "./constants.js";
import type { Faults } from "./faults.js";
import type { Program } from "./program.js";

/** A training step of a large model has some thousands; beyond this the cache starts anew. */
const MOST = 16384;
/** Holds any element type, a vec4 and a small struct. Never read: a param says that the buffer is absent. */
const STAND_IN_BYTES = 256;

/** Bind groups by program and buffers. They repeat from step to step, because the engine pools its memory. */
export class BindGroups {
  #device: GPUDevice;
  #faults: Faults;
  #cache = new Map<string, GPUBindGroup>();
  /** By position, not one for all: WebGPU refuses one buffer in two bindings where either is written. */
  #standIns: GPUBuffer[] = [];

  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
  }

  /** `buffers` follows the pass; `scratch` and `params` follow them where the program has any. */
  get(
    pass: AnyPass,
    program: Program,
    buffers: readonly (WebGpuMemory | null)[],
    scratch: WebGpuMemory | null,
    params: GPUBufferBinding,
  ): GPUBindGroup {
    let { key } = program;
    for (const index of program.bound) key += buffers[index]?.key ?? ",";
    if (scratch) key += scratch.key;
    const known = this.#cache.get(key);
    if (known) return known;
    const group = this.make(pass, program, buffers, scratch, params);
    if (this.#cache.size >= MOST) this.#cache.clear();
    this.#cache.set(key, group);
    return group;
  }

  /** One that is not kept here. */
  make(
    pass: AnyPass,
    program: Program,
    buffers: readonly (WebGpuMemory | null)[],
    scratch: WebGpuMemory | null,
    params: GPUBufferBinding,
  ): GPUBindGroup {
    refuseAliases(pass, program, buffers);
    const resources: GPUBufferBinding[] = program.bound.map((index) => {
      const memory = buffers[index];
      return memory
        ? { buffer: memory.buffer, offset: memory.offset, size: memory.size }
        : { buffer: this.#standIn(index) };
    });
    if (scratch) resources.push({ buffer: scratch.buffer });
    if (program.paramBytes > 0) resources.push(params);
    const { label, pipeline } = program;
    const { layout } = pipeline;
    const entries = resources.map((resource, binding) => ({
      binding,
      resource,
    }));
    return this.#faults.watch(label, () => this.#device.createBindGroup({ label, layout, entries }));
  }

  close(): void {
    for (const buffer of this.#standIns) buffer?.destroy();
    this.#standIns = [];
    this.#cache.clear();
  }

  #standIn(position: number): GPUBuffer {
    this.#standIns[position] ??= this.#device.createBuffer({
      label: `absent buffer ${position}`,
      size: STAND_IN_BYTES,
      usage: BufferUsage.STORAGE | BufferUsage.UNIFORM,
    });
    return this.#standIns[position];
  }
}

/** One memory may be read through several bindings (q, k and v packed), but not written through one of two. */
function refuseAliases(pass: AnyPass, program: Program, buffers: readonly (WebGpuMemory | null)[]): void {
  for (const a of program.bound) {
    // The buffer, not the memory: parts of a launch have windows of it.
    const buffer = buffers[a]?.buffer;
    if (!buffer || pass.buffers[pass.bufferNames[a]].use === "in") continue;
    for (const b of program.bound) {
      if (a === b || buffers[b]?.buffer !== buffer) continue;
      throw new Error(
        `${pass.label}: ${pass.bufferNames[a]} and ${pass.bufferNames[b]} are the same memory, and WebGPU refuses a ` +
          `buffer that one dispatch writes and binds a second time. Give ${pass.bufferNames[a]} memory of its own.`,
      );
    }
  }
}
