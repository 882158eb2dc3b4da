import { freemem, totalmem } from "node:os";
import type { Command } from "commander";
import type { DeviceChoice } from "../../../engine/index.js";
import { addCommonOptions, type CommonOptions } from "../options/common-options.js";
import { bytes } from "../terminal/format.js";
import { say, writeJson } from "../terminal/output.js";
import { table } from "../terminal/table.js";

interface Found {
  name: DeviceChoice;
  available: boolean;
  /** The chip or adapter; why it does not open where it is not available. */
  description: string;
  memoryBudget?: number;
}

export function addDevices(command: Command): void {
  addCommonOptions(command)
    .addHelpText("after", "\nExamples:\n  consilium devices\n  consilium devices --json -")
    .action(run);
}

async function run(options: CommonOptions): Promise<void> {
  const names: DeviceChoice[] = options.device ? [options.device] : ["cpu", "webgpu", "cuda", "reference"];
  const devices: Found[] = [];
  for (const name of names) {
    devices.push(await open(name, options));
    if (name === "cuda") devices.push(...(await otherGpus(devices[devices.length - 1], options)));
  }
  const rows = devices.map((d) => [d.name, d.available ? "yes" : "no", d.description]);
  say(options, table([["device", "opens", "what it is, or what is missing"], ...rows]));
  say(options, `memory: ${bytes(totalmem())}, ${bytes(freemem())} free`);
  await writeJson(options, { version: 1, command: "devices", devices });
}

/** The GPUs after the first, until the driver has no more, or says of the next what it says of the one before: there is none. */
async function otherGpus(first: Found, options: CommonOptions): Promise<Found[]> {
  const found: Found[] = [];
  for (let last = first; ; last = found[found.length - 1]) {
    const next = await open(`cuda:${found.length + 1}`, options);
    const said = !next.available && next.description === last.description;
    if (said || /there is no GPU/.test(next.description)) return found;
    found.push(next);
  }
}

async function open(name: DeviceChoice, { threads, memory }: CommonOptions): Promise<Found> {
  const { openDevice } = await import("../../../engine/index.js");
  try {
    using device = await openDevice(name, { threads, memoryBudget: memory });
    return { name, available: true, description: device.description, memoryBudget: device.memory().budget };
  } catch (error) {
    return { name, available: false, description: (error as Error).message };
  }
}
