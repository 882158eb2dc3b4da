/**
 * Errors of the engine. Text: `op: what is wrong: named shapes. What to do.` The fields hold the same facts for programs.
 * A module adds its path as the error passes through it.
 */
export class ConsiliumError extends Error {
  #module = "";
  #text: string;

  constructor(text: string, options?: ErrorOptions) {
    super(text, options);
    this.#text = text;
    this.name = new.target.name;
  }

  /** Puts the path of the module that was running in front, once: the innermost one. */
  atModule(path: string): this {
    if (!this.#module && path) {
      this.#module = path;
      this.message = `${path}: ${this.#text}`;
    }
    return this;
  }
}

/** Sizes that do not fit together. */
export class ShapeError extends ConsiliumError {}
/** A storage type that an op does not take, or two that differ. */
export class DTypeError extends ConsiliumError {}
/** Tensors of different devices, a device that cannot be opened, a closed device. */
export class DeviceError extends ConsiliumError {}
/**
 * The GPU's process, driver or device went away: pending awaits and all later calls of the device throw it. Its tensors are
 * gone; disposing them and closing the device stay harmless. A new device can be opened.
 */
export class DeviceLostError extends DeviceError {}
/** A tensor used after it was disposed. */
export class DisposedError extends ConsiliumError {}
/** No kernel for this op, pass, storage type and device, or one that the device cannot compile or run at this size. */
export class KernelError extends ConsiliumError {}
/** The byte budget is used up, or the system refused an allocation. The device stays usable. */
export class OutOfMemoryError extends ConsiliumError {}
/** A gradient that cannot be had: no history, changed in place, asked for twice. */
export class GradientError extends ConsiliumError {}
/** Found by a kernel on the device, reported by the next await: an index out of range. */
export class FaultError extends ConsiliumError {}
/** Something in a captured step that a replay could not repeat: a read, an upload. */
export class CaptureError extends ConsiliumError {}
/** An option with a value it cannot have. */
export class OptionError extends ConsiliumError {}

/** `x [512, 768]` */
export const describe = (name: string, shape: readonly number[]) => `${name} [${shape.join(", ")}]`;
