import type { AnyPass, BufferSpec, FloatDType, Tiles, WgslLaunch, WgslSource } from "../../kernels/contract.js";
import type { Counters } from "../device.js";
import { COMPUTE_STAGE } from "./constants.js";
import type { Faults } from "./faults.js";
import { Pipeline } from "./pipeline.js";

/** One launch for the adapter: its pipeline, and which of the pass's buffers it binds, in the order of its bindings. */
export interface Program {
  /** Unique on its device: part of the key of bind groups. */
  readonly key: string;
  readonly label: string;
  readonly pipeline: Pipeline;
  /** Indices into `pass.bufferNames`. */
  readonly bound: readonly number[];
  readonly usesScratch: boolean;
  readonly paramBytes: number;
}

type Launch = WgslLaunch<Record<string, "u32" | "f32">>;

/**
 * What a kernel knows of the storage type. `value` is a type to compute with, `word` one whose loads and stores keep every
 * bit: a float's may make a signalling NaN quiet (f16 has no integer of its size, and keeps them as they are). WGSL has no bf16: kernels that convert it ask for storage.wgsl, which
 * goes by the number.
 */
const STORAGE: Readonly<Record<FloatDType, string>> = {
  f32: "const STORAGE: u32 = 0u; alias value = f32; alias word = u32;",
  bf16: "const STORAGE: u32 = 1u;",
  f16: "const STORAGE: u32 = 2u; alias value = f16; alias word = f16;",
};

/** What a file and its launch refer to: the sources of kernels/common/wgsl, those that they refer to, and so on. */
function commonOf(source: WgslSource, variant: readonly WgslSource[]): Set<WgslSource> {
  const found = new Set<WgslSource>();
  const add = (sources: readonly WgslSource[]) => {
    for (const one of sources) {
      if (found.has(one)) continue;
      found.add(one);
      add(one.common);
    }
  };
  add([...source.common, ...variant]);
  return found;
}

/**
 * The text that the adapter compiles: the file as it is, so that line numbers in messages are the file's own, then what
 * it refers to: `const` lines for the tiles, what it knows of the storage type, and the files of kernels/common/wgsl
 * that its first line (`// common: philox, activation`) and its launch name. WGSL looks names up in any order; only
 * `enable` must be in front.
 */
export function assemble(
  source: WgslSource,
  dtype: FloatDType,
  tiles: Tiles,
  variant: readonly WgslSource[] = [],
): string {
  const texts = [source, ...commonOf(source, variant)].map(({ text }) => text);
  const constants = Object.entries(tiles).map(([name, value]) => `const ${name}: u32 = ${value}u;`);
  const uses = (name: RegExp) => texts.some((text) => name.test(text));
  const matrices = uses(/\bsubgroupMatrix/);
  const enable =
    (dtype === "f16" ? "enable f16; " : "") +
    (uses(/\bsubgroup[A-Z]/) ? "enable subgroups; " : "") +
    // Which subgroup a thread is in differs within a workgroup, and the compiler cannot see that it does not within one.
    (matrices
      ? "enable chromium_experimental_subgroup_matrix; diagnostic(off, chromium.subgroup_matrix_uniformity); "
      : "");
  return [enable + texts[0], ...constants, STORAGE[dtype], ...texts.slice(1)].join("\n");
}

/**
 * Inputs of a fixed number of words (`random`, 4) are uniforms: they do not count among the storage buffers, of which
 * WebGPU guarantees only eight.
 */
function bindingType({ use, shape, dtype }: BufferSpec): GPUBufferBindingType {
  if (use !== "in") return "storage";
  return dtype !== "value" && /^\d+$/.test(shape) ? "uniform" : "read-only-storage";
}

/** Programs by launch, storage type and tiles. */
export class Programs {
  #device: GPUDevice;
  #faults: Faults;
  #cache = new Map<Launch, Map<string, Program>>();
  #counters: Counters;
  #count = 0;

  constructor(device: GPUDevice, faults: Faults, counters: Counters) {
    this.#device = device;
    this.#faults = faults;
    this.#counters = counters;
  }

  get(pass: AnyPass, launch: Launch, dtype: FloatDType, tiles: Tiles): Program {
    let variants = this.#cache.get(launch);
    if (!variants) {
      variants = new Map();
      this.#cache.set(launch, variants);
    }
    // A loop, not a join: this runs for every launch of every step.
    let key: string = dtype;
    for (const name in tiles) key += `,${tiles[name]}`;
    let program = variants.get(key);
    if (!program) {
      program = this.#create(pass, launch, dtype, tiles);
      variants.set(key, program);
    }
    return program;
  }

  #create(pass: AnyPass, launch: Launch, dtype: FloatDType, tiles: Tiles): Program {
    const bound = (launch.buffers ?? pass.bufferNames).map((name) => pass.bufferNames.indexOf(name));
    const usesScratch = pass.webgpu?.scratchBytes !== undefined;
    const isStorage = (index: number) => bindingType(pass.buffers[pass.bufferNames[index]]) !== "uniform";
    const storage = bound.filter(isStorage).length + (usesScratch ? 1 : 0);
    const most = this.#device.limits.maxStorageBuffersPerShaderStage;
    if (storage > most) {
      throw new RangeError(`${pass.label}: binds ${storage} storage buffers; this adapter allows ${most}`);
    }
    const variant = Object.entries(tiles).map(([name, value]) => ` ${name}=${value}`);
    const label = `${pass.label} ${dtype}${variant.join("")}`;
    const paramBytes = Math.ceil((pass.paramNames.length + 2 * (launch.places?.length ?? 0)) / 4) * 16;
    const code = assemble(launch.source, dtype, tiles, launch.common);

    const entries = this.#entries(pass, bound, usesScratch, paramBytes);
    const source = { label, file: `${pass.label}.wgsl`, code, entries };
    const pipeline = new Pipeline(this.#device, this.#faults, this.#counters, source);
    return { key: `${this.#count++}`, label, pipeline, bound, usesScratch, paramBytes };
  }

  #entries(
    pass: AnyPass,
    bound: readonly number[],
    usesScratch: boolean,
    paramBytes: number,
  ): GPUBindGroupLayoutEntry[] {
    const types: GPUBufferBindingLayout[] = bound.map((index) => ({
      type: bindingType(pass.buffers[pass.bufferNames[index]]),
    }));
    if (usesScratch) types.push({ type: "storage" });
    if (paramBytes > 0)
      types.push({
        type: "uniform",
        hasDynamicOffset: true,
        minBindingSize: paramBytes,
      });
    return types.map((buffer, binding) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer,
    }));
  }
}
