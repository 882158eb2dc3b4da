import type { Counters } from "../device.js";
import type { Faults } from "./faults.js";

export interface PipelineSource {
  readonly label: string;
  /** What messages of the compiler call the code. */
  readonly file: string;
  readonly code: string;
  readonly entries: readonly GPUBindGroupLayoutEntry[];
}

/** Compiled on first use, or in the background before it. Errors name it at the next await of the device. */
export class Pipeline {
  readonly layout: GPUBindGroupLayout;
  #device: GPUDevice;
  #faults: Faults;
  #counters: Counters;
  #label: string;
  #description: GPUComputePipelineDescriptor;
  #explain: () => Promise<string>;
  #compiled: GPUComputePipeline | null = null;
  #pending: Promise<void> | null = null;

  constructor(device: GPUDevice, faults: Faults, counters: Counters, { label, file, code, entries }: PipelineSource) {
    this.#device = device;
    this.#faults = faults;
    this.#counters = counters;
    this.#label = label;
    const make = () => {
      const module = device.createShaderModule({ label, code });
      const layout = device.createBindGroupLayout({ label, entries: [...entries] });
      return { module, layout };
    };
    const explain = async ({ module }: ReturnType<typeof make>) => {
      const { messages } = await module.getCompilationInfo();
      return messages.map((m) => `\n  ${file}:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}`).join("");
    };
    const made = faults.watch(label, make, explain);
    this.layout = made.layout;
    this.#explain = () => explain(made);
    this.#description = {
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [made.layout] }),
      compute: { module: made.module },
    };
  }

  get(): GPUComputePipeline {
    if (this.#compiled) return this.#compiled;
    this.#compiled = this.#faults.watch(
      this.#label,
      () => this.#device.createComputePipeline(this.#description),
      this.#explain,
    );
    this.#counters.programs++;
    return this.#compiled;
  }

  /** Compiles in the background; resolves when that is over, whether or not it went well. */
  prepare(): Promise<void> {
    if (this.#compiled) return Promise.resolve();
    this.#pending ??= this.#device
      .createComputePipelineAsync(this.#description)
      .then(
        (pipeline) => {
          // A launch may have come first, and compiled and counted it.
          if (this.#compiled) return;
          this.#compiled = pipeline;
          this.#counters.programs++;
        },
        async (error: Error) => this.#faults.report(this.#label, error.message + (await this.#explain())),
      )
      .finally(() => {
        this.#pending = null;
      });
    return this.#pending;
  }
}
