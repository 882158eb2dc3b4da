import { BufferUsage, MAP_READ } from "./constants.js";
import type { Faults } from "./faults.js";

/** Mapped buffers kept for reuse: one for scalars (losses, counts), which are most of the reads. */
const SMALL = 4096;

/** Copies device bytes to the host. Each read has its own staging buffer, so that several may be under way. */
export class Readback {
  #device: GPUDevice;
  #faults: Faults;
  #idle: GPUBuffer[] = [];
  /** Of all staging buffers, those that are mapped too. */
  ownBytes = 0;

  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
  }

  /** Resolves with bytes [offset, offset + byteLength) after everything submitted so far. */
  async read(buffer: GPUBuffer, offset: number, byteLength: number): Promise<ArrayBuffer> {
    if (byteLength === 0) return new ArrayBuffer(0);
    const size = Math.ceil(byteLength / 4) * 4;
    const label = `a read of ${byteLength} bytes`;
    const staging = this.#faults.watch(label, () => this.#take(size));
    try {
      this.#faults.watch(label, () => {
        const encoder = this.#device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffer, offset, staging, 0, size);
        this.#device.queue.submit([encoder.finish()]);
      });
      await this.#faults.guard(staging.mapAsync(MAP_READ, 0, size));
      const bytes = staging.getMappedRange(0, size).slice(0, byteLength);
      staging.unmap();
      this.#give(staging);
      return bytes;
    } catch (error) {
      this.#drop(staging);
      throw error;
    }
  }

  close(): void {
    for (const staging of this.#idle) staging.destroy();
    this.#idle = [];
  }

  #take(size: number): GPUBuffer {
    if (size <= SMALL && this.#idle.length > 0) return this.#idle.pop() as GPUBuffer;
    const staging = this.#device.createBuffer({
      label: "readback",
      size: Math.max(SMALL, size),
      usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
    });
    this.ownBytes += staging.size;
    return staging;
  }

  #give(staging: GPUBuffer): void {
    if (staging.size === SMALL && this.#idle.length < 4) {
      this.#idle.push(staging);
      return;
    }
    this.#drop(staging);
  }

  #drop(staging: GPUBuffer): void {
    this.ownBytes -= staging.size;
    staging.destroy();
  }
}
