import { BufferUsage } from "./constants.js";
import type { Faults } from "./faults.js";
import type { Program } from "./program.js";

/** Launches in one submission: enough to make its cost (tens of microseconds) small, few enough to keep the GPU fed. */
const LAUNCHES_PER_SUBMIT = 256;

/**
 * Records launches into one encoder and one compute pass, their params into one host array, and submits both together.
 * The uniform buffer is written anew for each submission: the queue runs the copy after the work that read the old
 * params. So what is written to the queue directly must come after `flush` if recorded work uses it.
 */
export class Commands {
  /** Number of the batch being recorded. */
  batch = 0;
  #device: GPUDevice;
  #faults: Faults;
  #stride: number;
  #uniforms: GPUBuffer;
  #params: ArrayBuffer;
  #view: DataView;
  #used = 0;
  #launches = 0;
  #first = "";
  #last = "";
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  /** Destroyed after the submission that may use them. */
  #retired: (() => void)[] = [];

  constructor(device: GPUDevice, faults: Faults) {
    this.#device = device;
    this.#faults = faults;
    this.#stride = device.limits.minUniformBufferOffsetAlignment;
    // A launch takes a whole number of strides; 256 bytes hold 64 params, more than any pass has.
    const size = LAUNCHES_PER_SUBMIT * Math.max(256, this.#stride);
    this.#uniforms = device.createBuffer({
      label: "params",
      size,
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
    });
    this.#params = new ArrayBuffer(size);
    this.#view = new DataView(this.#params);
  }

  /** What the uniform binding of a bind group is. */
  paramBinding(program: Program): GPUBufferBinding {
    return { buffer: this.#uniforms, offset: 0, size: program.paramBytes };
  }

  /** Records one dispatch. `writeParams` puts the params into the view at the offset. */
  record(
    program: Program,
    group: GPUBindGroup,
    grid: readonly [number, number, number],
    writeParams: (view: DataView, offset: number) => void,
  ): void {
    if (!this.#pass) {
      this.#encoder = this.#device.createCommandEncoder();
      this.#pass = this.#encoder.beginComputePass();
      this.#first = program.label;
    }
    this.#last = program.label;
    this.#pass.setPipeline(program.pipeline);
    if (program.paramBytes > 0) {
      writeParams(this.#view, this.#used);
      this.#pass.setBindGroup(0, group, [this.#used]);
      this.#used += Math.ceil(program.paramBytes / this.#stride) * this.#stride;
    } else {
      this.#pass.setBindGroup(0, group);
    }
    this.#pass.dispatchWorkgroups(...grid);
    if (++this.#launches === LAUNCHES_PER_SUBMIT) this.flush();
  }

  /** Runs `destroy` once no recorded work can use its object. */
  retire(destroy: () => void): void {
    if (this.#launches === 0) destroy();
    else this.#retired.push(destroy);
  }

  flush(): void {
    const encoder = this.#encoder;
    if (!encoder || !this.#pass) return;
    this.#pass.end();
    const label = this.#launches === 1 ? this.#first : `${this.#launches} launches, ${this.#first} to ${this.#last}`;
    this.#faults.watch(label, () => {
      if (this.#used > 0) this.#device.queue.writeBuffer(this.#uniforms, 0, this.#params, 0, this.#used);
      this.#device.queue.submit([encoder.finish()]);
    });
    this.#encoder = null;
    this.#pass = null;
    this.#used = 0;
    this.#launches = 0;
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
}
