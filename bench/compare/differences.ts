import type { BenchDocument, Environment } from "../document.js";

/** What two documents were measured with and differs: their ratios tell about it, too. */
export interface Difference {
  /** Its name, for people: chip, commit, peer torch. */
  readonly what: string;
  /** There. */
  readonly old: string;
  /** Here. */
  readonly new: string;
  /** Of the machine: then the ratios compare two machines rather than two programs. */
  readonly machine: boolean;
}

const text = (value: unknown): string =>
  value === null || value === undefined || value === ""
    ? "unknown"
    : typeof value === "string"
      ? value
      : JSON.stringify(value);

const MACHINE: Readonly<Record<string, (e: Environment) => unknown>> = {
  chip: (e) => e.chip,
  cores: (e) => e.cores,
  "cores of the process": (e) => e.affinity,
  memory: (e) => e.memoryBytes,
  device: (e) => e.device,
  "instruction set": (e) => e.simd,
  "operating system": (e) => e.os,
};

const PROGRAM: Readonly<Record<string, (e: Environment) => unknown>> = {
  version: (e) => e.version,
  commit: (e) => e.commit,
  threads: (e) => e.threads,
  "Node.js": (e) => e.node,
  flags: (e) => e.flags,
};

/** A memory that is 1 % smaller is the same: kernels take more or less of it for themselves. */
const near = (a: unknown, b: unknown) =>
  typeof a === "number" && typeof b === "number" && Math.abs(a - b) <= 0.01 * Math.max(a, b);

/** Calls of documents before copies took the same inputs over and over. */
const inputsOf = ({ rows }: BenchDocument) =>
  rows.every(({ copies }) => copies === undefined) ? "the same in every call" : "copies in turn, past the caches";

/** All that differs, the machine first; and the versions of peers that both have. */
export function differencesOf(old: BenchDocument, now: BenchDocument): Difference[] {
  const [a, b] = [old.environment, now.environment];
  const found: Difference[] = [];
  for (const [fields, machine] of [
    [MACHINE, true],
    [PROGRAM, false],
  ] as const)
    for (const [what, of] of Object.entries(fields)) {
      const [before, after] = [of(a), of(b)];
      if (text(before) !== text(after) && !near(before, after))
        found.push({ what, old: text(before), new: text(after), machine });
    }
  const [before, after] = [inputsOf(old), inputsOf(now)];
  if (before !== after) found.push({ what: "inputs", old: before, new: after, machine: false });
  for (const [name, version] of Object.entries(b.peers))
    if (name in a.peers && a.peers[name] !== version)
      found.push({ what: `peer ${name}`, old: a.peers[name], new: version, machine: false });
  return found;
}
