import type { AnyPass, FloatDType } from "../../kernels/contract.js";
import type { Binding, DeviceOptions, FileRange, Memory, Profiler, Timing } from "../device.js";
import type { NativeAddon, NativeDevice } from "./addon.js";
import { checkBuffers, NativeBinding } from "./binding.js";
import { CpuCommandWriter } from "./command-writer.js";
import { NativeMemory } from "./memory.js";
import { type Plan, planOf } from "./plan.js";

/**
 * Bytes of a guard zone. Not a multiple of 64: kernels must do with the 8-byte alignment that a mapped file has, and one that
 * asks for more shows here.
 */
const GUARD = 72;

/**
 * The cpu device: SIMD kernels of the addon, on a queue thread and its pool. Without `threads` it takes every core of
 * the affinity mask; callers that know of a cgroup quota (`platform.cores`) pass it.
 */
export function openCpu(addon: NativeAddon, options: DeviceOptions = {}): Binding {
  return new CpuBinding(addon, options);
}

class CpuBinding extends NativeBinding<NativeDevice, Plan, CpuCommandWriter> {
  readonly name = "cpu";
  readonly description: string;
  readonly target: string;
  readonly profiler: Profiler = {
    start: () => this.profile(true),
    stop: async () => {
      this.profile(false);
      await this.native.finish();
      return this.timings();
    },
  };
  /** Of each launch that a plan has, by pass and kernel. */
  private readonly labels = new Map<string, string>();

  constructor(addon: NativeAddon, options: DeviceOptions) {
    const native = addon.createDevice(options.threads ?? 0);
    super(native, new CpuCommandWriter(), { granularity: 64, batch: 256, guard: options.debug ? GUARD : null });
    const { threads } = native;
    const chip = addon.chip === "" ? "" : `${addon.chip}, `;
    this.target = addon.target;
    this.description = `${chip}${addon.target}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  }

  map(ranges: readonly FileRange[]): Memory | null {
    // No room for guard zones between the pages of a file.
    if (this.debugging) return null;
    const numbers = ranges.flatMap(({ descriptor, offset, bytes }) => [descriptor, offset, bytes]);
    const address = this.native.map(Float64Array.from(numbers));
    return address === 0
      ? null
      : new NativeMemory(
          address,
          ranges.reduce((sum, { bytes }) => sum + bytes, 0),
        );
  }

  launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (NativeMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    const plan = this.planFor(pass, dtype);
    checkBuffers(pass, plan, buffers);
    const scratch = plan.scratchBytes === null ? null : this.scratchOf(plan.scratchBytes(params));
    const { writer } = this;
    const start = writer.length;
    const before = writer.launches;
    for (const step of plan.steps) {
      const { launch } = step;
      const cells = launch.cells(params);
      const grain = launch.grain === undefined ? 1 : launch.grain(params);
      if (cells >>> 0 !== cells || grain >>> 0 !== grain || grain === 0)
        throw new RangeError(`${pass.label}: ${cells} cells by ${grain} in launch ${launch.symbol}`);
      if (cells > 0) writer.launch(step, cells, grain, scratch, buffers, params);
    }
    this.launched(start, before, scratch);
  }

  protected makePlan(pass: AnyPass, dtype: FloatDType): Plan {
    const plan = planOf(pass, dtype, this.native);
    for (const { kernel, launch } of plan.steps)
      this.labels.set(`${pass.id} ${kernel}`, `${pass.label} ${dtype} (${launch.symbol}_${dtype})`);
    return plan;
  }

  private profile(on: boolean): void {
    this.flush();
    this.native.profile(on);
  }

  private timings(): Timing[] {
    const times = this.native.takeTimes();
    return Array.from({ length: times.length / 3 }, (_, i) => ({
      label: this.labels.get(`${times[3 * i]} ${times[3 * i + 1]}`) ?? "",
      ms: times[3 * i + 2],
    }));
  }
}
