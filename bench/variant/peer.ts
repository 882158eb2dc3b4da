import { KernelMissing } from "../../bindings/errors.js";
import { type Device, type DeviceChoice, KernelError, OptionError, openDevice } from "../../engine/index.js";
import type { AnyPass, FloatDType } from "../../kernels/contract.js";
import { differenceOf, toleranceIn } from "../row/agreement.js";
import { phasesOf } from "../row/phases.js";
import { tasksOf } from "../suites/index.js";
import { type Peer, type Prepared, type Task, Unsupported } from "../task.js";
import { type CompiledVariant, compiled, withLibrary } from "./cuda.js";
import type { Variant } from "./named.js";
import { withWgsl } from "./wgsl.js";

/** Small enough for the float64 reference, with tails in every dimension. */
const CHECKS = [
  ["matmul", "33x40x50"],
  ["moe", "37x24x20x3x2"],
  ["attention", "B1H2S37D32,B1H2S37D32:causal"],
  ["lora", "37x40x33x4"],
  ["layer-norm", "33x40"],
  ["cross-entropy", "33x40"],
] as const;

interface Conditions {
  readonly device: string;
  readonly dtype?: FloatDType;
  readonly threads: number;
  /** The rows of the run. Default: those of any suite. */
  readonly tasks?: readonly Task[];
}

/**
 * Our own engine with a user's kernel in place of one of ours, on a device of its own, as a peer. It is checked against the float64
 * reference on small shapes first, in the storage type of the run: throws where it differs, does not compile, or no suite runs
 * the kernel.
 */
export async function openVariant(
  variant: Variant,
  { device: kind, dtype = "f32", threads, tasks }: Conditions,
): Promise<Peer> {
  const { kernel, file, device: language } = variant;
  if (!kind.startsWith(language))
    throw new OptionError(`--kernel ${file}: it is a kernel of ${language}. Add --device ${language}.`);
  const device = await openDevice(kind as DeviceChoice, { threads });
  let library: CompiledVariant | null = null;
  const close = async () => {
    device.close();
    await library?.remove();
  };
  const swap = new Swap(device, (pass) =>
    library ? (pass.label === kernel ? withLibrary(pass, library.library) : null) : withWgsl(pass, kernel, file),
  );
  try {
    if (language === "cuda") library = await compiled(kernel, file);
    const suites = await check(kernel, device, dtype, swap);
    if (tasks && tasks.length > 0 && !(await runsIn(tasks, device, dtype, swap)))
      throw new OptionError(
        `--kernel ${file}: no row of this run runs ${kernel}. Suites with rows that do: ${suites.join(", ")}.`,
      );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    version: file,
    async prepare(task, _, copies = 1) {
      const before = swap.launches;
      const prepared = await task.prepare(device, dtype);
      try {
        let first: Results | null = await prepared.results();
        if (swap.launches === before) throw new Unsupported(`this row does not run ${kernel}`);
        prepared.rotate?.(copies);
        const results = async () => {
          const found = first ?? (await prepared.results());
          first = null;
          return found;
        };
        return [{ contender: prepared.contender, results, note: await noteOf(device, task.op, prepared, swap) }];
      } catch (error) {
        await prepared.contender.release();
        throw error;
      }
    },
    close,
  };
}

type Results = Awaited<ReturnType<Prepared["results"]>>;

/** Puts another pass in the place of those that `other` has one for, at every launch of a device. */
class Swap {
  launches = 0;
  on = true;

  constructor(device: Device, other: (pass: AnyPass) => AnyPass | null) {
    const { binding } = device;
    const launch = binding.launch.bind(binding);
    const others = new Map<AnyPass, AnyPass | null>();
    binding.launch = (pass, ...rest) => {
      let found = this.on ? others.get(pass) : null;
      if (found === undefined) {
        found = other(pass);
        others.set(pass, found);
      }
      if (found) this.launches++;
      launch(found ?? pass, ...rest);
    };
  }
}

/** Whether a row launches the kernel: known by running them, until one does. */
async function runsIn(tasks: readonly Task[], device: Device, dtype: FloatDType, swap: Swap): Promise<boolean> {
  const before = swap.launches;
  for (const task of tasks) {
    // What fails here fails in its row, too, where it is told.
    await resultsOf(task, device, dtype).catch(() => null);
    if (swap.launches > before) return true;
  }
  return false;
}

/** The suites whose small shapes run the kernel. Throws where their results are not the reference's. */
async function check(kernel: string, device: Device, dtype: FloatDType, swap: Swap): Promise<string[]> {
  const suites: string[] = [];
  const truth = await openDevice("reference");
  try {
    for (const [suite, shapes] of CHECKS) {
      const before = swap.launches;
      for (const task of tasksOf(suite, { shapes, dtype }).tasks) {
        const expected = await resultsOf(task, truth, dtype);
        const got = await resultsOf(task, device, dtype).catch(noneHere);
        if (!got) continue;
        const difference = differenceOf(got, expected);
        const tolerance = toleranceIn(dtype, task);
        if (swap.launches > 0 && !(difference <= tolerance))
          throw new Error(
            `${kernel}: ${task.op} ${task.pass} ${task.shape} in ${dtype} differs from the reference by ${difference.toExponential(1)} of the largest result, more than ${tolerance}`,
          );
      }
      if (swap.launches > before) suites.push(suite);
    }
  } finally {
    truth.close();
  }
  if (swap.launches === 0)
    throw new OptionError(`--kernel: no suite runs a kernel ${kernel} in ${dtype}; name it as its folder and file.`);
  return suites;
}

/** A device need not have every op in every storage type. */
function noneHere(error: unknown): null {
  if (error instanceof KernelError && error.cause instanceof KernelMissing) return null;
  throw error;
}

async function resultsOf(task: Task, device: Device, dtype: FloatDType) {
  const prepared = await task.prepare(device, dtype);
  try {
    return await prepared.results();
  } finally {
    await prepared.contender.release();
  }
}

/** What the phases with the variant take on the device's clock, and with ours in their place. */
async function noteOf(device: Device, op: string, prepared: Prepared, swap: Swap): Promise<string> {
  const mine = await phasesOf(device, op, prepared);
  swap.on = false;
  const ours = await phasesOf(device, op, prepared).finally(() => {
    swap.on = true;
  });
  if (!mine || mine.length !== ours?.length) return "in place of ours";
  const pairs = mine.map(({ pass, phase, us }, i) => `${pass} ${phase} ${us.toFixed(1)} (${ours[i].us.toFixed(1)})`);
  return `its phases in us, ours in brackets: ${pairs.join(", ")}`;
}
