import type { AnyPass, CpuLaunch, FloatDType, Params, ParamValues } from "../../kernels/contract.js";
import { KernelMissing } from "../errors.js";
import type { NativeDevice } from "./addon.js";
import type { NativePlan } from "./binding.js";
import type { LaunchRecord } from "./command-writer.js";
import { pathOf } from "./path.js";

export interface Step extends LaunchRecord {
  readonly pass: number;
  readonly launch: CpuLaunch<Params>;
}

/** What a launch of one pass in one storage type needs, looked up once. */
export interface Plan extends NativePlan {
  readonly steps: readonly Step[];
  readonly scratchBytes: ((params: ParamValues<Params>) => number) | null;
}

/** Throws KernelMissing where the pass has no cpu kernel for `dtype`, or the addon or its library lacks a symbol. */
export function planOf(pass: AnyPass, dtype: FloatDType, native: NativeDevice): Plan {
  const cpu = pass.cpu;
  if (!cpu) throw new KernelMissing(pass, "cpu", dtype, []);
  const library = cpu.library && pathOf(cpu.library);
  const find = (symbol: string) => {
    try {
      return native.findKernel(symbol, library);
    } catch (error) {
      throw new KernelMissing(pass, "cpu", dtype, [], (error as Error).message);
    }
  };
  const missing = (value: FloatDType) =>
    cpu.launches.map(({ symbol }) => `${symbol}_${value}`).find((symbol) => find(symbol) < 0);
  const available = cpu.dtypes.filter((value) => !missing(value));
  if (!available.includes(dtype)) {
    const symbol = library && cpu.dtypes.includes(dtype) && missing(dtype);
    const reason =
      symbol && `${library} has no symbol ${symbol}. Export it with CONSILIUM_KERNEL in the library's source.`;
    throw new KernelMissing(pass, "cpu", dtype, available, reason || undefined);
  }
  const paramIsFloat = pass.paramNames.map((name) => pass.params[name] === "f32");
  return {
    steps: cpu.launches.map((launch) => ({
      kernel: find(`${launch.symbol}_${dtype}`),
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
