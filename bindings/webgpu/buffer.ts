import type { Memory } from "../device.js";
import { TooLarge } from "../errors.js";
import { BufferUsage } from "./constants.js";
import type { Faults } from "./faults.js";

/** A NaN as f32, and in both halves as bf16 and f16; far out of range as an index. */
const POISON = 0x7fc07fc0;
const GUARD_WORD = 0x7fc0a5a5;
/** Longer than the widest vector store of a kernel, so that the first element past the end lands inside. */
const GUARD_BYTES = 1024;
const FLAGS = BufferUsage.STORAGE | BufferUsage.UNIFORM | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;

export interface WebGpuMemory extends Memory {
  readonly buffer: GPUBuffer;
  /** What of the buffer is bound. */
  readonly offset: number;
  readonly size: number;
  /** Unique for the life of the process: part of the key of bind groups. */
  readonly key: string;
  /** Number of the batch of launches that used it last. */
  batch: number;
  /** How many recordings use it: scratch only. */
  recordings: number;
}

let memories = 0;

const align = (bytes: number, step: number) => Math.ceil(bytes / step) * step;

/**
 * One GPUBuffer per allocation, a multiple of 16 bytes (the size of a vec4 and of a params struct's row), zeroed by
 * WebGPU. In debug mode it holds NaN instead and is followed by a guard zone. The zone is part of the binding: bounds
 * checks would otherwise turn a store past the end into a store to the last element, and no guard would ever see it.
 */
export class Buffers {
  #device: GPUDevice;
  #faults: Faults;
  #debug: boolean;
  #live = new Set<WebGpuMemory>();

  constructor(device: GPUDevice, faults: Faults, debug: boolean) {
    this.#device = device;
    this.#faults = faults;
    this.#debug = debug;
  }

  allocate(byteLength: number): WebGpuMemory {
    const bytes = Math.max(16, align(byteLength, 16));
    const size = bytes + (this.#debug ? GUARD_BYTES : 0);
    const most = this.#device.limits.maxBufferSize;
    if (size > most) throw new TooLarge("webgpu", byteLength, most);
    const buffer = this.#faults.watch(`an allocation of ${byteLength} bytes`, () =>
      this.#device.createBuffer({ size, usage: FLAGS, mappedAtCreation: this.#debug }),
    );
    const memory = { buffer, bytes, offset: 0, size, key: `,${memories++}`, batch: -1, recordings: 0 };
    this.#live.add(memory);
    if (this.#debug) {
      // Not by a write of the queue, which the first write of a tensor would follow with nothing between.
      new Uint32Array(buffer.getMappedRange()).fill(POISON, 0, bytes / 4).fill(GUARD_WORD, bytes / 4);
      buffer.unmap();
    }
    return memory;
  }

  /** The caller sees to it that no unsubmitted work uses it. */
  release(memory: WebGpuMemory): void {
    if (this.#live.delete(memory)) memory.buffer.destroy();
  }

  releaseAll(): void {
    for (const memory of this.#live) this.release(memory);
  }

  /** Where the guard zone lies in the buffer. */
  guardZone(memory: WebGpuMemory): { offset: number; bytes: number } {
    return { offset: memory.bytes, bytes: this.#debug ? GUARD_BYTES : 0 };
  }
}

/** The same memory, of which a part is bound. */
export function windowOf(memory: WebGpuMemory, offset: number, size: number): WebGpuMemory {
  return { ...memory, offset, size, key: `${memory.key}[${offset}+${size}]` };
}

/** The first damaged word of a guard zone in words, or null. */
export function guardDamage(zone: ArrayBuffer): string | null {
  const words = new Uint32Array(zone);
  const at = words.findIndex((word) => word !== GUARD_WORD);
  return at < 0 ? null : `${4 * at} bytes past the end: ${new Float32Array(zone)[at]} was written`;
}
