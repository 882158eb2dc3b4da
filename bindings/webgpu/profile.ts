import type { Timing } from "../device.js";
import { BufferUsage, MAP_READ } from "./constants.js";

/** What the device's clock says of each dispatch. A browser may round it (to 100 µs, Chrome). */
export class Profile {
  #device: GPUDevice;
  #set: GPUQuerySet;
  #resolved: GPUBuffer;
  #staging: GPUBuffer | null = null;
  #labels: string[] = [];
  #timings: Promise<Timing[]>[] = [];

  /** `dispatches`: of one submission, at most. */
  constructor(device: GPUDevice, dispatches: number) {
    this.#device = device;
    // A begin and an end of each, 8 bytes.
    const count = 2 * dispatches;
    this.#set = device.createQuerySet({ type: "timestamp", count });
    this.#resolved = device.createBuffer({
      label: "timestamps",
      size: 8 * count,
      usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC,
    });
  }

  /** The description of a pass with one dispatch. */
  timed(label: string): GPUComputePassDescriptor {
    const begin = 2 * this.#labels.length;
    this.#labels.push(label);
    return {
      timestampWrites: {
        querySet: this.#set,
        beginningOfPassWriteIndex: begin,
        endOfPassWriteIndex: begin + 1,
      },
    };
  }

  /** Ends a submission: its timestamps go to a buffer of their own. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#labels.length;
    if (count === 0) return;
    this.#staging = this.#device.createBuffer({
      label: "timestamps",
      size: 8 * count,
      usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
    });
    encoder.resolveQuerySet(this.#set, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 8 * count);
  }

  /** Called once it is submitted. */
  collect(): void {
    if (!this.#staging) return;
    const timings = read(this.#staging, this.#labels);
    // Its error comes again with `timings`; until then nobody waits for it.
    timings.catch(() => {});
    this.#timings.push(timings);
    this.#staging = null;
    this.#labels = [];
  }

  async timings(): Promise<Timing[]> {
    return (await Promise.all(this.#timings)).flat();
  }

  close(): void {
    this.#set.destroy();
    this.#resolved.destroy();
  }
}

async function read(staging: GPUBuffer, labels: readonly string[]): Promise<Timing[]> {
  await staging.mapAsync(MAP_READ);
  const nanoseconds = new BigUint64Array(staging.getMappedRange());
  // Some drivers let the clock run back between passes.
  const timings = labels.map((label, i) => ({
    label,
    ms: Math.max(0, Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i])) / 1e6,
  }));
  staging.destroy();
  return timings;
}
