import type { Memory } from "../device.js";

/** An allocation of the cpu or cuda device. `lo` and `hi` are its address as the command stream wants it; 0, 0 once released. */
export class NativeMemory implements Memory {
  readonly bytes: number;
  address: number;
  /** As a signed 32-bit number, which V8 keeps unboxed. */
  lo: number;
  hi: number;
  /** How many recordings use it: scratch only. */
  recordings = 0;

  constructor(address: number, bytes: number) {
    this.bytes = bytes;
    this.address = address;
    this.lo = address | 0;
    this.hi = Math.floor(address / 2 ** 32);
  }

  invalidate(): void {
    this.address = 0;
    this.lo = 0;
    this.hi = 0;
  }
}
