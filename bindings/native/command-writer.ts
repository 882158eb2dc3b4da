import type { CpuMemory } from "./memory.js";

/** What a launch writes that does not change from call to call. */
export interface LaunchRecord {
  readonly kernel: number;
  readonly pass: number;
  readonly paramNames: readonly string[];
  readonly paramIsFloat: readonly boolean[];
}

/** The command stream of command_stream.h, in one growing array. */
export class CommandWriter {
  words = new Uint32Array(1 << 14);
  length = 0;
  launches = 0;
  private floats = new Float32Array(this.words.buffer);

  launch(
    record: LaunchRecord,
    cells: number,
    grain: number,
    scratch: CpuMemory | null,
    buffers: readonly (CpuMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    const { paramNames, paramIsFloat } = record;
    const needed = 9 + 2 * buffers.length + paramNames.length;
    if (this.length + needed > this.words.length) this.grow(needed);
    // Locals, and one loop each: this runs for every launch of every step.
    const { words, floats } = this;
    let at = this.length;
    words[at++] = record.kernel;
    words[at++] = record.pass;
    words[at++] = cells;
    words[at++] = grain;
    words[at++] = buffers.length;
    words[at++] = paramNames.length;
    words[at++] = scratch === null ? 0 : scratch.lo;
    words[at++] = scratch === null ? 0 : scratch.hi;
    for (let i = 0; i < buffers.length; i++) {
      const memory = buffers[i];
      words[at++] = memory === null ? 0 : memory.lo;
      words[at++] = memory === null ? 0 : memory.hi;
    }
    for (let i = 0; i < paramNames.length; i++) {
      const value = params[paramNames[i]];
      if (paramIsFloat[i]) floats[at++] = value;
      else words[at++] = value;
    }
    this.length = at + (at & 1);
    this.launches++;
  }

  clear(): void {
    this.length = 0;
    this.launches = 0;
  }

  private grow(words: number): void {
    const larger = new Uint32Array(Math.max(2 * this.words.length, this.length + words));
    larger.set(this.words);
    this.words = larger;
    this.floats = new Float32Array(larger.buffer);
  }
}
