import type { Counters } from "../device.js";
import { BufferUsage } from "./constants.js";
import type { Faults } from "./faults.js";
import type { Profile } from "./profile.js";
import type { Program } from "./program.js";

/** Launches in one submission: enough to make its cost (tens of microseconds) small, few enough to keep the GPU fed. */
export const LAUNCHES_PER_SUBMIT = 256;

/**
 * Puts dispatches into one encoder and one compute pass, params of launches into one host array, and submits both together.
 * The uniform buffer is written anew for each submission: the queue runs the copy after the work that read the old
 * params. So what is written to the queue directly must come after `flush` if recorded work uses it.
 */
export class Commands {
  /** Number of the batch being recorded. */
  batch = 0;
  readonly ownBytes: number;
  /** Params of the launches since the last submission. */
  readonly params: DataView;
  #device: GPUDevice;
  #faults: Faults;
  #counters: Counters;
  #stride: number;
  #uniforms: GPUBuffer;
  /** The one element is the offset of a launch: WebGPU copies it. A plain array, which Dawn reads faster than a typed one. */
  #offset = [0];
  #used = 0;
  #dispatches = 0;
  #first = "";
  #last = "";
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  /** The one set in the pass. */
  #pipeline: GPUComputePipeline | null = null;
  #profile: Profile | null = null;
  /** Destroyed after the submission that may use them. */
  #retired: (() => void)[] = [];

  constructor(device: GPUDevice, faults: Faults, counters: Counters) {
    this.#device = device;
    this.#faults = faults;
    this.#counters = counters;
    this.#stride = device.limits.minUniformBufferOffsetAlignment;
    // A launch takes a whole number of strides; 256 bytes hold 64 params, more than any pass has.
    this.ownBytes = LAUNCHES_PER_SUBMIT * Math.max(256, this.#stride);
    this.#uniforms = device.createBuffer({
      label: "params",
      size: this.ownBytes,
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
    });
    this.params = new DataView(new ArrayBuffer(this.ownBytes));
  }

  /** What the uniform binding of a bind group is. */
  paramBinding(program: Program): GPUBufferBinding {
    return { buffer: this.#uniforms, offset: 0, size: program.paramBytes };
  }

  /** Where the params of the next launch go, in `params`. */
  reserve(program: Program): number {
    const at = this.#used;
    this.#used += this.stride(program.paramBytes);
    return at;
  }

  /** Bytes from one launch's params to the next one's. */
  stride(paramBytes: number): number {
    return Math.ceil(paramBytes / this.#stride) * this.#stride;
  }

  /** Adds one dispatch; `at` is where its params begin in the buffer that `group` binds. */
  dispatch(program: Program, group: GPUBindGroup, at: number, x: number, y: number, z: number): void {
    const pass = this.#pass ?? this.#begin(program.label);
    const pipeline = program.pipeline.get();
    if (pipeline !== this.#pipeline) {
      pass.setPipeline(pipeline);
      this.#pipeline = pipeline;
    }
    if (program.paramBytes > 0) {
      this.#offset[0] = at;
      pass.setBindGroup(0, group, this.#offset);
    } else {
      pass.setBindGroup(0, group);
    }
    pass.dispatchWorkgroups(x, y, z);
    this.#last = program.label;
    if (this.#profile) this.#end();
    if (++this.#dispatches === LAUNCHES_PER_SUBMIT) this.flush();
  }

  /** From now on each dispatch has a compute pass of its own, timed into `profile`; null ends that. */
  timeInto(profile: Profile | null): void {
    this.flush();
    this.#profile = profile;
  }

  /** Runs `destroy` once no recorded work can use its object. */
  retire(destroy: () => void): void {
    if (this.#dispatches === 0) destroy();
    else this.#retired.push(destroy);
  }

  flush(): void {
    const encoder = this.#encoder;
    if (!encoder) return;
    this.#end();
    const { queue } = this.#device;
    const label =
      this.#dispatches === 1 ? this.#first : `${this.#dispatches} launches, ${this.#first} to ${this.#last}`;
    this.#faults.watch(label, () => {
      if (this.#used > 0) queue.writeBuffer(this.#uniforms, 0, this.params.buffer as ArrayBuffer, 0, this.#used);
      this.#profile?.resolve(encoder);
      queue.submit([encoder.finish()]);
      this.#profile?.collect();
    });
    this.#counters.launches += this.#dispatches;
    this.#counters.submissions++;
    this.#encoder = null;
    this.#used = 0;
    this.#dispatches = 0;
    this.batch++;
    for (const destroy of this.#retired) destroy();
    this.#retired = [];
  }

  close(): void {
    this.#encoder = null;
    this.#pass = null;
    this.#retired = [];
    this.#uniforms.destroy();
  }

  #begin(label: string): GPUComputePassEncoder {
    if (!this.#encoder) {
      this.#encoder = this.#device.createCommandEncoder();
      this.#first = label;
    }
    this.#pipeline = null;
    this.#pass = this.#encoder.beginComputePass(this.#profile?.timed(label));
    return this.#pass;
  }

  #end(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}
