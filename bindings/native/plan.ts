import type { AnyPass, CpuLaunch, FloatDType, Params, ParamValues } from "../../kernels/contract.js";
import { KernelMissing } from "../errors.js";
import type { NativeDevice } from "./addon.js";
import type { LaunchRecord } from "./command-writer.js";

export interface Step extends LaunchRecord {
  readonly launch: CpuLaunch<Params>;
}

/** What a launch of one pass in one storage type needs, looked up once. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly bufferNames: readonly string[];
  readonly optional: readonly boolean[];
  readonly scratchBytes: ((params: ParamValues<Params>) => number) | null;
}

/** Throws KernelMissing where the pass has no cpu kernel for `dtype`, or the addon lacks one of its symbols. */
export function planOf(pass: AnyPass, dtype: FloatDType, native: NativeDevice): Plan {
  const cpu = pass.cpu;
  const exists = (value: FloatDType) =>
    cpu?.launches.every(({ symbol }) => native.findKernel(`${symbol}_${value}`) >= 0) ?? false;
  const available = cpu?.dtypes.filter(exists) ?? [];
  if (!cpu || !available.includes(dtype)) throw new KernelMissing(pass, "cpu", dtype, available);
  const paramIsFloat = pass.paramNames.map((name) => pass.params[name] === "f32");
  return {
    steps: cpu.launches.map((launch) => ({
      kernel: native.findKernel(`${launch.symbol}_${dtype}`),
      pass: pass.id,
      paramNames: pass.paramNames,
      paramIsFloat,
      launch,
    })),
    bufferNames: pass.bufferNames,
    optional: pass.bufferNames.map((name) => pass.buffers[name].optional),
    scratchBytes: cpu.scratchBytes ? (params) => cpu.scratchBytes?.(params) ?? 0 : null,
  };
}
