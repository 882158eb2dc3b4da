import type { Recording } from "../device.js";
import type { NativeMemory } from "./memory.js";

/** A command stream that is submitted again as it is: kernels, addresses and params are in it. */
export class NativeRecording implements Recording {
  words = new Uint32Array(1 << 12);
  length = 0;
  launches = 0;
  private readonly scratches = new Set<NativeMemory>();

  /** Adds the commands of one pass, `launches` of them: words `start` to `end` of `source`. */
  append(source: Uint32Array, start: number, end: number, launches: number, scratch: NativeMemory | null): void {
    const length = this.length + end - start;
    if (length > this.words.length) {
      const larger = new Uint32Array(Math.max(2 * this.words.length, length));
      larger.set(this.words.subarray(0, this.length));
      this.words = larger;
    }
    this.words.set(source.subarray(start, end), this.length);
    this.length = length;
    this.launches += launches;
    if (scratch === null || this.scratches.has(scratch)) return;
    this.scratches.add(scratch);
    scratch.recordings++;
  }

  /** Empties it; returns the scratch regions that it used. */
  release(): NativeMemory[] {
    const scratches = [...this.scratches];
    for (const scratch of scratches) scratch.recordings--;
    this.scratches.clear();
    this.words = new Uint32Array(0);
    this.length = 0;
    this.launches = 0;
    return scratches;
  }
}
