import { CommandWriter, type LaunchRecord } from "../command-writer.js";
import type { NativeMemory } from "../memory.js";

/** Of a grid or a block, in x, y, z. */
export type Extent = readonly [number, number, number];

/** The command stream of bindings/native/cuda/command_stream.h. */
export class CudaCommandWriter extends CommandWriter {
  /** `scratch` is undefined where the pass has none: then its kernels have no argument for it. */
  launch(
    record: LaunchRecord,
    grid: Extent,
    block: Extent,
    sharedBytes: number,
    scratch: NativeMemory | undefined,
    buffers: readonly (NativeMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    const pointers = buffers.length + (scratch === undefined ? 0 : 1);
    let at = this.begin(11 + 2 * pointers + record.paramNames.length);
    const { words } = this;
    words[at++] = record.kernel;
    words[at++] = pointers;
    words[at++] = record.paramNames.length;
    for (let i = 0; i < 3; i++) words[at++] = grid[i];
    for (let i = 0; i < 3; i++) words[at++] = block[i];
    words[at++] = sharedBytes;
    for (let i = 0; i < buffers.length; i++) at = this.address(at, buffers[i]);
    if (scratch !== undefined) at = this.address(at, scratch);
    this.end(at, record, params);
  }
}
