import { CudaError, DeviceLost } from "../../errors.js";
import type { NativeQueue } from "../addon.js";
import type { GpuInfo, NativeCudaDevice } from "./addon.js";

/** What the addon throws where the driver does. */
interface NativeError extends Error {
  readonly lost?: boolean;
  readonly outOfMemory?: boolean;
}

/**
 * The GPU's queue with errors of their kinds. A launch that the driver refuses is told by the next await, since launches are
 * handed over in batches; a fault of the GPU is told by every call from then on.
 */
export class CudaQueue implements NativeQueue {
  readonly info: GpuInfo;
  readonly #native: NativeCudaDevice;
  #lost: DeviceLost | null = null;
  #refused: CudaError | null = null;

  constructor(native: NativeCudaDevice) {
    this.#native = native;
    this.info = native.info;
  }

  /** Throws where the device was lost, or closed. */
  check(): void {
    if (this.#lost) throw this.#lost;
  }

  allocate(bytes: number): number {
    return this.#call(() => this.#native.allocate(bytes));
  }

  release(addresses: Float64Array): void {
    // Memory of a lost device went with it: whoever gives it back need not know.
    if (this.#lost === null) this.#call(() => this.#native.release(addresses));
  }

  submit(commands: Uint32Array, words: number): void {
    this.#enqueue(() => this.#native.submit(commands, words));
  }

  write(address: number, data: ArrayBufferView): void {
    this.#call(() => this.#native.write(address, data));
  }

  fill(address: number, bytes: number, pattern: number): void {
    this.#call(() => this.#native.fill(address, bytes, pattern));
  }

  read(address: number, byteLength: number): Promise<ArrayBuffer> {
    return this.#settled(() => this.#native.read(address, byteLength));
  }

  finish(): Promise<void> {
    return this.#settled(() => this.#native.finish());
  }

  findKernel(file: string, symbol: string, label: string): number {
    return this.#call(() => this.#native.findKernel(file, symbol, label));
  }

  newGraph(commands: Uint32Array, words: number): number {
    return this.#call(() => this.#native.newGraph(commands, words));
  }

  launchGraph(graph: number): void {
    this.#enqueue(() => this.#native.launchGraph(graph));
  }

  releaseGraph(graph: number): void {
    if (this.#lost === null) this.#call(() => this.#native.releaseGraph(graph));
  }

  startProfile(): void {
    this.#call(() => this.#native.startProfile());
  }

  stopProfile(): Float64Array {
    return this.#call(() => this.#native.stopProfile());
  }

  close(): void {
    this.#lost ??= new DeviceLost("cuda", null);
    this.#native.close();
  }

  #call<T>(call: () => T): T {
    this.check();
    try {
      return call();
    } catch (error) {
      throw this.#kindOf(error as NativeError);
    }
  }

  #enqueue(call: () => void): void {
    try {
      this.#call(call);
    } catch (error) {
      if (!(error instanceof CudaError)) throw error;
      this.#refused ??= error;
    }
  }

  async #settled<T>(call: () => Promise<T>): Promise<T> {
    const result = await this.#call(call).catch((error) => {
      throw this.#kindOf(error);
    });
    const refused = this.#refused;
    this.#refused = null;
    if (refused) throw refused;
    return result;
  }

  #kindOf(error: NativeError): Error {
    // A pending promise of a device that was closed.
    if (this.#lost) return this.#lost;
    if (error.lost) {
      this.#lost = new DeviceLost("cuda", error.message);
      return this.#lost;
    }
    return error.lost === undefined ? error : new CudaError(error.message, error.outOfMemory);
  }
}
