import { realpath, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../../bindings/platform/file-error.js";
import { onFile } from "../../../bindings/platform/node-file-error.js";
import { ignore, makeFolder } from "../../../bindings/platform/node-files.js";
import type { Device } from "../../../engine/index.js";

/** Where results go besides the terminal. */
export interface OutputOptions {
  /** A file, or "-" for standard output. */
  json?: string;
}

/** Prints for people: on standard output, unless the JSON goes there. */
export function say({ json }: OutputOptions, text: string): void {
  (json === "-" ? process.stderr : process.stdout).write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Writes the JSON document where `--json` says; nothing where it was not given. */
export async function writeJson({ json }: OutputOptions, document: object): Promise<void> {
  if (json === undefined) return;
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (json === "-") await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
  else await writeFileIn(json, text);
}

/** Writes a file so that a reader sees the old one or the new one, making its folder where there is none. */
export async function writeFileIn(path: string, text: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  // A pipe or /dev/null is written to, not replaced; behind a link the file is.
  if (there && !there.isFile()) await onFile(path, writeFile(path, text));
  else await platform.writeFile(there ? await realpath(path) : path, [new TextEncoder().encode(text)]);
}

/** Fails early where a result could not be written in the end: makes its folder, and refuses a folder in its place. */
export const prepareFile = (path: string): Promise<void> =>
  onFile(
    path,
    makeFolder(dirname(path)).then(async () => {
      const found = await stat(path).catch(ignore("ENOENT"));
      if (found?.isDirectory()) throw new FileError(path, "it is a folder. Name the file to write");
    }),
  );

/** What the work took: the largest live bytes on the device, and the largest resident set of the process so far. */
export const memoryUsed = (device: Device) => ({
  peakBytes: device.memory().peak,
  peakRss: process.resourceUsage().maxRSS * 1024,
});
