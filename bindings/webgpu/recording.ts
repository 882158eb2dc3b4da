import type { AnyPass } from "../../kernels/contract.js";
import type { Recording } from "../device.js";
import type { BindGroups } from "./bind-groups.js";
import type { WebGpuMemory } from "./buffer.js";
import type { Commands } from "./commands.js";
import { BufferUsage } from "./constants.js";
import type { Program } from "./program.js";

interface Step {
  readonly pass: AnyPass;
  readonly program: Program;
  readonly buffers: readonly (WebGpuMemory | null)[];
  readonly scratch: WebGpuMemory | null;
  /** Where its params begin. */
  readonly at: number;
  readonly grid: readonly [number, number, number];
}

/** What a replay has to say of a step: WebGPU has no command buffer that can be submitted twice. */
interface Bound extends Step {
  readonly group: GPUBindGroup;
}

/**
 * Dispatches with everything decided: pipelines, grids, params in a uniform buffer of its own, uploaded once, and bind
 * groups, made when it is replayed for the first time. A replay is three calls a dispatch, two where the pipeline stays.
 */
export class WebGpuRecording implements Recording {
  readonly scratches = new Set<WebGpuMemory>();
  #device: GPUDevice;
  #steps: Step[] = [];
  #bound: Bound[] | null = null;
  #params = new ArrayBuffer(1 << 12);
  #used = 0;
  #uniforms: GPUBuffer | null = null;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get launches(): number {
    return this.#steps.length;
  }

  /** Of device memory. */
  get ownBytes(): number {
    return this.#uniforms?.size ?? 0;
  }

  /** Keeps a launch, whose params stand in `view` at `from`; `stride` is the room they take. */
  add(
    pass: AnyPass,
    program: Program,
    buffers: readonly (WebGpuMemory | null)[],
    scratch: WebGpuMemory | null,
    grid: readonly [number, number, number],
    { view, from, stride }: { view: DataView; from: number; stride: number },
  ): void {
    if (this.#used + stride > this.#params.byteLength) {
      const larger = new ArrayBuffer(2 * this.#params.byteLength);
      new Uint8Array(larger).set(new Uint8Array(this.#params));
      this.#params = larger;
    }
    new Uint8Array(this.#params, this.#used).set(new Uint8Array(view.buffer, from, program.paramBytes));
    // The engine fills one array for all launches of a pass.
    this.#steps.push({ pass, program, buffers: [...buffers], scratch, at: this.#used, grid });
    this.#used += stride;
    if (!scratch || this.scratches.has(scratch)) return;
    this.scratches.add(scratch);
    scratch.recordings++;
  }

  replay(commands: Commands, groups: BindGroups): void {
    this.#bound ??= this.#bind(groups);
    for (const { program, group, at, grid } of this.#bound)
      commands.dispatch(program, group, at, grid[0], grid[1], grid[2]);
  }

  /** Empties it. */
  release(commands: Commands): void {
    const uniforms = this.#uniforms;
    if (uniforms) commands.retire(() => uniforms.destroy());
    for (const scratch of this.scratches) scratch.recordings--;
    this.#uniforms = null;
    this.#bound = null;
    this.#steps = [];
  }

  #bind(groups: BindGroups): Bound[] {
    const size = Math.max(16, this.#used);
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    const buffer = this.#device.createBuffer({ label: "params of a recording", size, usage });
    try {
      const bound = this.#steps.map((step) => {
        const { pass, program, buffers, scratch } = step;
        const params = { buffer, offset: 0, size: program.paramBytes };
        return { ...step, group: groups.make(pass, program, buffers, scratch, params) };
      });
      this.#device.queue.writeBuffer(buffer, 0, this.#params, 0, this.#used);
      this.#uniforms = buffer;
      this.#params = new ArrayBuffer(0);
      return bound;
    } catch (error) {
      // As before the call, so that the next one can bind it.
      buffer.destroy();
      throw error;
    }
  }
}
