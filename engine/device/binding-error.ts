import { BindingTooLarge, DeviceLost, DriverError, KernelMissing, TooLarge } from "../../bindings/errors.js";
import { DeviceError, DeviceLostError, KernelError, OutOfMemoryError } from "../errors.js";

/** What a binding threw, as the engine says it. */
export function bindingError(error: unknown): unknown {
  if (error instanceof KernelMissing) return missing(error);
  if (error instanceof DeviceLost) return lost(error);
  if (error instanceof BindingTooLarge) return new KernelError(error.message, { cause: error });
  if (error instanceof TooLarge)
    return new OutOfMemoryError(`${error.message}. Use a smaller batch, or the cpu device.`, { cause: error });
  if (error instanceof DriverError) {
    const { message, outOfMemory } = error;
    return outOfMemory ? new OutOfMemoryError(message, { cause: error }) : new KernelError(message, { cause: error });
  }
  return error;
}

/** The result of `call`, which calls a binding; the errors that it throws are the engine's. */
export function callBinding<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw bindingError(error);
  }
}

/** `work`, whose errors are the engine's. */
export const engineErrors = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error) => {
    throw bindingError(error);
  });

function missing(cause: KernelMissing): KernelError {
  const { pass, device, dtype, available, reason } = cause;
  if (reason) return new KernelError(`${pass.label}: ${reason}`, { cause });
  const advice = available.length
    ? `There is one for ${available.join(", ")}: cast first, or use another device.`
    : "Use another device: see the op table in README.md.";
  return new KernelError(`${pass.label}: no ${device} kernel for ${dtype}. ${advice}`, { cause });
}

/** Drivers end their messages as they like. */
const sentence = (text: string) => `${text.trim().replace(/\.*$/, "")}.`;

function lost(cause: DeviceLost): DeviceError {
  const { device, reason } = cause;
  if (reason === null)
    return new DeviceError(`the ${device} device was closed with work under way. Await it before close().`, { cause });
  return new DeviceLostError(
    `the ${device} device was lost: ${sentence(reason)} Its tensors are gone. Open it again with openDevice("${device}"), load the ` +
      "model anew, and go on from the last checkpoint.",
    { cause },
  );
}
