import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Device } from "../../engine/index.js";
import type { CommonOptions } from "./common-options.js";

/** Prints for people: on standard output, unless the JSON goes there. */
export function say({ json }: CommonOptions, text: string): void {
  (json === "-" ? process.stderr : process.stdout).write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Writes the JSON document where `--json` says; nothing where it was not given. */
export async function writeJson({ json }: CommonOptions, document: object): Promise<void> {
  if (json === undefined) return;
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (json === "-") await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
  else await writeFileIn(json, text);
}

/** Writes a file, making its folder where there is none. */
export async function writeFileIn(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** What the work took: the largest live bytes on the device, and the largest resident set of the process so far. */
export const memoryUsed = (device: Device) => ({
  peakBytes: device.memory().peak,
  peakRss: process.resourceUsage().maxRSS * 1024,
});
