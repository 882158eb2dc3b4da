import type { AnyPass, FloatDType } from "../kernels/contract.js";
import type { DeviceName } from "./device.js";

/** Thrown by `launch` and `prepare`: the engine turns it into a KernelError that names op and alternatives. */
export class KernelMissing extends Error {
  readonly pass: AnyPass;
  readonly device: DeviceName;
  readonly dtype: FloatDType;
  readonly available: readonly FloatDType[];
  /** Where more is known than that it is not there: why, and what to do. */
  readonly reason: string | undefined;

  constructor(pass: AnyPass, device: DeviceName, dtype: FloatDType, available: readonly FloatDType[], reason?: string) {
    super(`${pass.label}: ${reason ?? `no ${device} kernel for ${dtype}`}`);
    this.pass = pass;
    this.device = device;
    this.dtype = dtype;
    this.available = available;
    this.reason = reason;
  }
}

/**
 * The GPU process, driver or device went away, or `close` was called (then `reason` is null). Every call and every pending
 * await of the device fails with it; the engine turns it into a DeviceLostError.
 */
export class DeviceLost extends Error {
  override readonly name = "DeviceLost";
  readonly device: DeviceName;
  readonly reason: string | null;

  constructor(device: DeviceName, reason: string | null) {
    super(`${device}: the device was ${reason === null ? "closed" : `lost: ${reason}`}`);
    this.device = device;
    this.reason = reason;
  }
}

/**
 * What a driver refused: a shader, a launch, a submission, an allocation. Names what it belongs to. The engine turns it into a
 * KernelError, or an OutOfMemoryError.
 */
export abstract class DriverError extends Error {
  readonly outOfMemory: boolean;

  constructor(text: string, outOfMemory: boolean) {
    super(text);
    this.outOfMemory = outOfMemory;
  }
}

/** Of WebGPU's implementation. */
export class WebGpuError extends DriverError {
  override readonly name = "WebGpuError";

  constructor(label: string, detail: string, adapter: string, outOfMemory = false) {
    super(`webgpu: ${label}: ${detail}\n  adapter: ${adapter}`, outOfMemory);
  }
}

/** Of NVIDIA's driver. `detail` has its name for the error and its text. */
export class CudaError extends DriverError {
  override readonly name = "CudaError";
  readonly detail: string;

  constructor(detail: string, outOfMemory = false) {
    super(`cuda: ${detail}`, outOfMemory);
    this.detail = detail;
  }
}

/** A buffer that is larger than one binding of a launch may be, where the launch cannot be cut: a KernelError of the engine. */
export class BindingTooLarge extends RangeError {
  override readonly name = "BindingTooLarge";

  /** `whole`: the launch can be cut into smaller ones, but each of them needs all of this buffer, such as a weight. */
  constructor(pass: AnyPass, buffer: string, bytes: number, limit: number, whole = false) {
    const what = `${pass.label}: ${buffer} would take a binding of ${bytes} bytes; this adapter's hold ${limit}, and `;
    super(
      whole
        ? `${what}every part of this launch needs all of it. Split ${buffer} itself, or use the cpu device.`
        : `${what}this launch cannot be cut into smaller ones. Give it fewer rows at a time, or use the cpu device.`,
    );
  }
}

/** An allocation that no state of this device could hold. The engine turns it into an OutOfMemoryError. */
export class TooLarge extends RangeError {
  override readonly name = "TooLarge";
  readonly bytes: number;
  readonly limit: number;

  constructor(device: DeviceName, bytes: number, limit: number) {
    super(`${device}: an allocation of ${bytes} bytes; this device makes buffers of at most ${limit}`);
    this.bytes = bytes;
    this.limit = limit;
  }
}
