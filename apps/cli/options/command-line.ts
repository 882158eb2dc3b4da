import type { CommonOptions } from "./common-options.js";

/** A command to print, as a shell reads it back. */
export const commandLine = (...words: readonly string[]): string => ["npx consilium", ...words.map(quoted)].join(" ");

/** A word as a shell reads it back. */
export const quoted = (word: string) => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The common flags of a command that goes on: where it computed, and what it was asked to write. */
export function commonFlags({ device, threads, memory, json }: CommonOptions, deviceName: string): string[] {
  return [
    ...["--device", device ?? deviceName],
    ...(threads === undefined ? [] : ["--threads", String(threads)]),
    ...(memory === undefined ? [] : ["--memory", `${memory / 1e6}MB`]),
    ...(json === undefined ? [] : ["--json", json]),
  ];
}
