import type { AnyPass, CudaLimits, FloatDType } from "../../../kernels/contract.js";
import type { Binding, DeviceOptions, Profiler, Recording } from "../../device.js";
import { CudaError, KernelMissing } from "../../errors.js";
import type { NativeAddon } from "../addon.js";
import { checkBuffers, NativeBinding } from "../binding.js";
import type { NativeMemory } from "../memory.js";
import type { GpuInfo } from "./addon.js";
import { CudaCommandWriter, type Extent } from "./command-writer.js";
import type { CudaKernels } from "./kernels.js";
import { type Plan, planOf } from "./plan.js";
import { CudaQueue } from "./queue.js";
import { CudaRecording } from "./recording.js";

/** Bytes of a guard zone: kernels count on 16-byte alignment, and one that asks for more shows here. */
const GUARD = 80;
/** Of all GPUs there are: blocks in x, y, z, and threads of a block. */
const MOST_BLOCKS: Extent = [2 ** 31 - 1, 65535, 65535];
const MOST_THREADS = 1024;

/** Opens the GPU of `options.index`. Throws, saying what to do, where there is no driver, no such GPU, or one that does not open. */
export function openCuda(addon: NativeAddon, kernels: CudaKernels, options: DeviceOptions = {}): Binding {
  const { index = 0, debug = false } = options;
  if (!Number.isInteger(index) || index < 0)
    throw new RangeError(`the index of a GPU is a whole number from 0: ${index}`);
  return new CudaBinding(new CudaQueue(addon.createCudaDevice(index, debug)), kernels, options);
}

/** A GPU ends most launches before JavaScript has written the next dozen: it must not wait for them. */
const BATCH = 8;

class CudaBinding extends NativeBinding<CudaQueue, Plan, CudaCommandWriter, CudaRecording> {
  readonly name = "cuda";
  readonly description: string;
  readonly target: string;
  readonly memoryLimit: number;
  readonly cacheBytes: number;
  readonly profiler: Profiler;
  private readonly cuda: CudaLimits;
  private readonly kernels: CudaKernels;
  /** Labels of kernels, for profiles. */
  private readonly labels: string[] = [];
  private profiling = false;

  constructor(queue: CudaQueue, kernels: CudaKernels, options: DeviceOptions) {
    super(queue, new CudaCommandWriter(), { granularity: 64, batch: BATCH, guard: options.debug ? GUARD : null });
    const { info } = queue;
    const { capability, multiprocessors, maxSharedBytes } = info;
    this.kernels = kernels;
    this.cuda = { capability, multiprocessors, maxSharedBytes, tf32: options.tf32 ?? false };
    this.memoryLimit = info.freeBytes;
    this.cacheBytes = info.cacheBytes;
    this.target = `sm_${capability}, ${multiprocessors} SMs${this.cuda.tf32 ? ", tf32" : ""}`;
    this.description = describe(info, this.target, kernels);
    this.profiler = {
      start: () => {
        this.flush();
        this.native.startProfile();
        this.profiling = true;
      },
      stop: async () => {
        this.profiling = false;
        this.flush();
        // Also where a launch was refused: who asks for no times must not pay for them.
        const pairs = await this.native.finish().then(
          () => this.native.stopProfile(),
          (error) => {
            this.native.stopProfile();
            throw error;
          },
        );
        return Array.from({ length: pairs.length / 2 }, (_, i) => ({
          label: this.labels[pairs[2 * i]],
          ms: pairs[2 * i + 1],
        }));
      },
    };
  }

  launch(
    pass: AnyPass,
    dtype: FloatDType,
    buffers: readonly (NativeMemory | null)[],
    params: Readonly<Record<string, number>>,
  ): void {
    this.native.check();
    const plan = this.planFor(pass, dtype);
    checkBuffers(pass, plan, buffers);
    const { writer, cuda } = this;
    const bytes = plan.scratchBytes?.(params, cuda, dtype);
    const scratch = bytes === undefined ? undefined : this.scratchFor(pass, bytes);
    const start = writer.length;
    const before = writer.launches;
    for (const step of plan.steps) {
      const { launch } = step;
      const grid = launch.grid(params, cuda, dtype);
      if (grid[0] === 0 || grid[1] === 0 || grid[2] === 0) continue;
      const block = launch.block(params, cuda, dtype);
      const shared = launch.sharedBytes === undefined ? 0 : launch.sharedBytes(params, cuda, dtype);
      const excess = excessOf(grid, block, shared, cuda);
      if (excess) throw new KernelMissing(pass, "cuda", dtype, [], `${excess} Give it less at a time.`);
      writer.launch(step, grid, block, shared, scratch, buffers, params);
    }
    this.launched(start, before, scratch ?? null);
  }

  override newRecording(): Recording {
    return new CudaRecording();
  }

  override replay(recording: Recording): void {
    const own = recording as CudaRecording;
    // A graph is one launch to the clock: where each is to be timed, they are launched one by one.
    if (own.length === 0 || this.profiling) super.replay(recording);
    else this.replayGraph(own);
  }

  private replayGraph(recording: CudaRecording): void {
    this.flush();
    if (recording.graph === 0) recording.graph = this.native.newGraph(recording.words, recording.length);
    this.native.launchGraph(recording.graph);
    this.counters.submissions++;
    this.counters.launches += recording.launches;
  }

  override releaseRecording(recording: Recording): void {
    const own = recording as CudaRecording;
    if (!this.closed && own.graph !== 0) this.native.releaseGraph(own.graph);
    own.graph = 0;
    super.releaseRecording(recording);
  }

  protected makePlan(pass: AnyPass, dtype: FloatDType): Plan {
    const plan = planOf(pass, dtype, this.native, this.kernels);
    for (const { kernel, launch } of plan.steps) this.labels[kernel] = `${pass.label} ${dtype} ${launch.symbol}`;
    return plan;
  }

  private scratchFor(pass: AnyPass, bytes: number): NativeMemory {
    try {
      return this.scratchOf(bytes);
    } catch (error) {
      if (!(error instanceof CudaError)) throw error;
      throw new CudaError(`scratch of ${pass.label}: ${error.detail}`, error.outOfMemory);
    }
  }
}

/** What of a launch is more than any GPU can do, or this one; null where it is fine. */
function excessOf(grid: Extent, block: Extent, sharedBytes: number, { maxSharedBytes }: CudaLimits): string | null {
  if (grid.some((blocks, i) => !(Number.isInteger(blocks) && blocks > 0 && blocks <= MOST_BLOCKS[i])))
    return `a grid of ${grid.join(" x ")} blocks; its sides may have ${MOST_BLOCKS.join(", ")}.`;
  const threads = block[0] * block[1] * block[2];
  if (!(Number.isInteger(threads) && threads > 0 && threads <= MOST_THREADS))
    return `a block of ${block.join(" x ")} threads; it may have ${MOST_THREADS}.`;
  if (sharedBytes > maxSharedBytes)
    return `${sharedBytes} bytes of shared memory for a block; this GPU has ${maxSharedBytes}.`;
  return null;
}

function describe({ name, totalBytes, driver }: GpuInfo, target: string, { architectures }: CudaKernels): string {
  const memory = `${(totalBytes / 2 ** 30).toFixed(1)} GiB`;
  const version = `${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}`;
  const compiled = architectures.length ? `, kernels for ${architectures.join(", ")}` : "";
  return `${name}, ${target}, ${memory}, driver for CUDA ${version}${compiled}`;
}
