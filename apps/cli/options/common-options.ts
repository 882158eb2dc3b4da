import { type Command, InvalidArgumentError, Option } from "commander";
import { MAX_THREADS } from "../../../bindings/device.js";
import type { Device, DeviceChoice, DeviceName } from "../../../engine/index.js";
import { type OutputOptions, prepareFile } from "../terminal/output.js";

/** What every command takes that computes on a device. */
export interface CommonOptions extends OutputOptions {
  device?: DeviceChoice;
  threads?: number;
  /** Bytes. */
  memory?: number;
  debug?: boolean;
}

/** What --threads is, for people. */
export const THREADS = "worker threads of the cpu device";

/** Those that can be asked for by name. */
export const DEVICES: readonly DeviceName[] = ["cpu", "webgpu", "cuda", "reference"];
/** What a device can be, for people. */
const DEVICE_CHOICES = `${DEVICES.join(", ")}, or cuda:1 for a GPU by its index`;

const oneThreadCount = () =>
  new Option("--threads <n>", `${THREADS} (default: the cores this process may use)`).argParser(threadCount);

/** `threads` is for a command that takes several, `defaultDevice` for one that leaves no choice to openDevice. */
export function addCommonOptions(
  command: Command,
  { threads = oneThreadCount(), defaultDevice = "cuda, else webgpu on a real GPU, else cpu" } = {},
): Command {
  command
    .optionsGroup("Common options:")
    .addOption(
      new Option("--device <name>", `where to compute: ${DEVICE_CHOICES} (default: ${defaultDevice})`).argParser(
        deviceChoice,
      ),
    )
    .addOption(threads)
    .option(
      "--memory <size>",
      "largest memory on the device, as 800MB or 4GB (default: nine tenths of what is here)",
      byteSize,
    );
  return addOutputOptions(command);
}

/** What a command takes that computes nothing on a device. */
export function addOutputOptions(command: Command): Command {
  return command
    .optionsGroup("Common options:")
    .option("--json <file>", 'also write the result as JSON; "-" is standard output')
    .option("--debug", "show where in the program an error came from")
    .helpOption("-h, --help", "show this help")
    .hook("preAction", async (_, action) => {
      const { json } = action.opts<CommonOptions>();
      if (json !== undefined && json !== "-") await prepareFile(json);
    });
}

/** Opens the device that was asked for and says on standard error which one it is. */
export async function openChosenDevice({ device, threads, memory }: CommonOptions): Promise<Device> {
  // Not before the flags are known to be right.
  const { openDevice } = await import("../../../engine/index.js");
  const opened = await openDevice(device, { threads, memoryBudget: memory });
  process.stderr.write(`device: ${opened.name} (${opened.description})\n`);
  return opened;
}

export function deviceChoice(text: string): DeviceChoice {
  const [, name, index] = /^(\w+)(?::(\d+))?$/.exec(text) ?? [];
  const device = DEVICES.find((known) => known === name);
  if (device === undefined)
    throw new InvalidArgumentError(`There is no device "${text}"; it is one of ${DEVICE_CHOICES}.`);
  if (index === undefined) return device;
  if (device === "cuda") return `cuda:${Number(index)}`;
  // WebGPU gives the adapter that the system prefers, and lists no others.
  if (device === "webgpu" && Number(index) === 0) return device;
  const why = device === "webgpu" ? "WebGPU lists no adapters, and gives one" : `there is one ${device}`;
  throw new InvalidArgumentError(`"${text}" is none: ${why}, named without a number.`);
}

export function threadCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_THREADS)
    throw new InvalidArgumentError(`It is a whole number from 1 to ${MAX_THREADS}.`);
  return value;
}

const UNITS: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9 };

/** A size with its unit, in bytes. */
export function byteSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(kB|MB|GB)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * UNITS[unit]);
  if (!(bytes > 0)) throw new InvalidArgumentError("It is a size above 0 with its unit: 800MB, 4GB.");
  return bytes;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("It is a whole number from 0.");
  return value;
}

export function positive(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError("It is a whole number from 1.");
  return value;
}

export function finiteNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It is a number.");
  return value;
}

const SECONDS_OF = { ms: 1e-3, s: 1, m: 60, h: 3600 } as const;

/** A length of time with its unit (60s, 2m, 500ms), in seconds. */
export function duration(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim()) ?? [];
  if (!unit) throw new InvalidArgumentError("It is a length of time with its unit: 60s, 2m, 500ms.");
  return Number(value) * SECONDS_OF[unit as keyof typeof SECONDS_OF];
}

export function numberFrom0(text: string): number {
  const value = finiteNumber(text);
  if (value < 0) throw new InvalidArgumentError("It is a number from 0.");
  return value;
}

/** A comma-separated list. */
export function list(text: string): string[] {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  if (items.length === 0) throw new InvalidArgumentError("It is a list with commas between its items.");
  return items;
}
