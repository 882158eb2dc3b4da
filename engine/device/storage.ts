import type { Memory } from "../../bindings/device.js";
import type { Device } from "./device.js";

/**
 * Device memory behind tensors and views, counted: each live tensor and each saved entry of the tape holds one count.
 * Users never see the counts; at zero the memory returns to the pool.
 */
export class Storage {
  readonly device: Device;
  readonly memory: Memory;
  /** Bytes of the pool's size class. */
  readonly bytes: number;
  /** Rises with each change in place: a saved tensor whose storage changed cannot give a gradient any more. */
  version = 0;
  refs = 1;

  constructor(device: Device, memory: Memory, bytes: number) {
    this.device = device;
    this.memory = memory;
    this.bytes = bytes;
  }

  /** Notes a change in place: not those of a warm-up, which do not happen. */
  changed(): void {
    if (!this.device.mode.warming) this.version++;
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    if (--this.refs === 0) this.device.pool.give(this.memory, this.bytes);
  }
}
