import type { NativeMemory } from "./memory.js";

/** What a launch writes that does not change from call to call. */
export interface LaunchRecord {
  readonly kernel: number;
  readonly paramNames: readonly string[];
  readonly paramIsFloat: readonly boolean[];
}

/** Launches as words in one growing array. How a launch begins is its device's: see command_stream.h of each. */
export abstract class CommandWriter {
  words = new Uint32Array(1 << 14);
  length = 0;
  launches = 0;
  private floats = new Float32Array(this.words.buffer);

  clear(): void {
    this.length = 0;
    this.launches = 0;
  }

  /** Where the next launch goes; there is room for it. */
  protected begin(words: number): number {
    if (this.length + words > this.words.length) this.grow(words);
    return this.length;
  }

  /** Writes the address of a memory, 0 for none; returns what is behind it. */
  protected address(at: number, memory: NativeMemory | null): number {
    this.words[at] = memory === null ? 0 : memory.lo;
    this.words[at + 1] = memory === null ? 0 : memory.hi;
    return at + 2;
  }

  /** Ends a launch: writes its params from `at` on, as each launch of every step does. */
  protected end(at: number, record: LaunchRecord, params: Readonly<Record<string, number>>): void {
    const { words, floats } = this;
    const { paramNames, paramIsFloat } = record;
    for (let i = 0; i < paramNames.length; i++) {
      const value = params[paramNames[i]];
      if (paramIsFloat[i]) floats[at++] = value;
      else words[at++] = value;
    }
    this.length = at + (at & 1);
    this.launches++;
  }

  private grow(words: number): void {
    const larger = new Uint32Array(Math.max(2 * this.words.length, this.length + words));
    larger.set(this.words);
    this.words = larger;
    this.floats = new Float32Array(larger.buffer);
  }
}

/** The command stream of bindings/native/command_stream.h. */
export class CpuCommandWriter extends CommandWriter {
  launch(
    record: LaunchRecord & { readonly pass: number },
    cells: number,
    grain: number,
    scratch: NativeMemory | null,
    buffers: readonly (NativeMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    let at = this.begin(9 + 2 * buffers.length + record.paramNames.length);
    const { words } = this;
    words[at++] = record.kernel;
    words[at++] = record.pass;
    words[at++] = cells;
    words[at++] = grain;
    words[at++] = buffers.length;
    words[at++] = record.paramNames.length;
    at = this.address(at, scratch);
    for (let i = 0; i < buffers.length; i++) at = this.address(at, buffers[i]);
    this.end(at, record, params);
  }
}
