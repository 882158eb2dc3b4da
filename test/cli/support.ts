import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { withMounts } from "../support/namespace.js";

/** The command as a user starts it: the built one. `npm test` builds it first. */
const bin = fileURLToPath(new URL("../../bin/consilium.js", import.meta.url));
const hostFile = fileURLToPath(new URL("./command-host.mjs", import.meta.url));
export const vqaRad = fileURLToPath(new URL("../../data/vqa-rad", import.meta.url));
export const goldenFolder = fileURLToPath(new URL("../fixtures/miss", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process in which this file's commands run one after the other; started with the first, in its environment. */
let host: ChildProcess | null = null;
let last: Promise<unknown> = Promise.resolve();
afterAll(async () => {
  if (host?.kill()) await once(host, "exit");
});

/**
 * The command, run after others in one process: for what it says and writes. It has no standard input. Where the process itself
 * counts (signals, streams, memory, processes beside it, what a new one reads from disk), see `consiliumProcess`.
 */
export function consilium(args: readonly string[]): Promise<Outcome> {
  const outcome = last.then(() => runInHost(args));
  last = outcome.catch(() => {});
  return outcome;
}

function runInHost(args: readonly string[]): Promise<Outcome> {
  host ??= fork(hostFile, { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const child = host;
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: NodeJS.Signals | null) => {
      host = null;
      reject(new Error(`consilium ${args.join(" ")}: it ended its process (${signal ?? code}). Use consiliumProcess.`));
    };
    child.once("exit", ended);
    child.once("message", (outcome: Outcome) => {
      child.off("exit", ended);
      resolve(outcome);
    });
    child.send(args);
  });
}

/** The command in a process of its own; `interfere` sees the process and its standard error as it grows. */
export function consiliumProcess(
  args: readonly string[],
  interfere?: (child: ChildProcess, stderr: string) => void,
): Promise<Outcome> {
  return outcome([process.execPath, bin, ...args], interfere);
}

/** As `consiliumProcess`, with `input` on its standard input. */
export function consiliumReading(input: string, args: readonly string[]): Promise<Outcome> {
  return outcome([process.execPath, bin, ...args], undefined, input);
}

/**
 * As `consiliumProcess`; it gets the signal as soon as its standard error matches: no step passes meanwhile, however fast. Its
 * listeners hear of it at once, where it has any: by way of the system they would once the event loop comes round.
 */
export function consiliumStoppedAt(pattern: RegExp, signal: NodeJS.Signals, args: readonly string[]): Promise<Outcome> {
  const preload = `
    let seen = "";
    const write = process.stderr.write;
    process.stderr.write = function (text, ...rest) {
      seen += text;
      const written = write.call(this, text, ...rest);
      if (${pattern}.test(seen)) {
        process.stderr.write = write;
        if (!process.emit("${signal}", "${signal}")) process.kill(process.pid, "${signal}");
      }
      return written;
    };`;
  const url = `data:text/javascript,${encodeURIComponent(preload)}`;
  return outcome([process.execPath, "--import", url, bin, ...args]);
}

/** The modules that the command loads, by their URLs. */
export async function modulesOf(args: readonly string[]): Promise<string[]> {
  const hooks = `
    import { writeSync } from "node:fs";
    export const load = (url, context, next) => (writeSync(2, "LOADED " + url + "\\n"), next(url, context));`;
  const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  const preload = `import { register } from "node:module"; register(${JSON.stringify(url(hooks))});`;
  const { stderr } = await outcome([process.execPath, "--import", url(preload), bin, ...args]);
  return [...stderr.matchAll(/^LOADED (.*)$/gm)].map(([, module]) => module);
}

/** As `consiliumProcess`, on a machine changed by `mounts` (shell), which nothing else sees. */
export function consiliumWithMounts(mounts: string, args: readonly string[]): Promise<Outcome> {
  return outcome([...withMounts(mounts), process.execPath, bin, ...args]);
}

function outcome(
  [command, ...args]: readonly string[],
  interfere?: (child: ChildProcess, stderr: string) => void,
  input?: string,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    // Without input it is at its end at once.
    child.stdin.end(input);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
      interfere?.(child, stderr);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "consilium-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A data folder with the first `images` training and test images of organ.json, three questions each. */
export function smallOrganData(folder: string, images: number): string {
  const rows = JSON.parse(readFileSync(join(vqaRad, "organ.json"), "utf8")) as { split: string }[];
  const some = ["train", "test"].flatMap((split) => rows.filter((row) => row.split === split).slice(0, 3 * images));
  writeFileSync(join(folder, "organ.json"), JSON.stringify(some));
  for (const name of ["trainset.json", "testset.json", "images"]) symlinkSync(join(vqaRad, name), join(folder, name));
  return folder;
}
