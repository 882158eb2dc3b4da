import type { BenchRow } from "../document.js";
import { processTree } from "./processes.js";
import { textOf } from "./system-files.js";

/** Beside more than this share of busy cores, the clock tells about the others. */
const LOADED = 0.1;

/** Ticks of the processor: of all cores together since the machine started, and of this process with those it started. */
interface Ticks {
  readonly total: number;
  readonly busy: number;
  readonly ours: number;
}

/**
 * Watches what other processes do. The function that it returns tells the share of the machine's cores that they kept busy
 * since: 0.5 is one of two cores. Time that a host took away from a virtual machine (steal) is theirs, too. Null where nobody
 * can tell: not Linux, or in a page.
 */
export function watchOthers(): () => number | null {
  const before = ticks();
  return () => (before === null ? null : othersShare(before, ticks()));
}

/** Rounded to what ticks of 10 ms can tell in a second. */
export function othersShare(before: Ticks, after: Ticks | null): number | null {
  if (after === null || after.total <= before.total) return null;
  const others = after.busy - before.busy - (after.ours - before.ours);
  return Number(Math.max(0, others / (after.total - before.total)).toFixed(3));
}

/** Other processes were busy enough for the clock to be wrong. */
export const isLoaded = ({ othersCpu }: Pick<BenchRow, "othersCpu">): boolean => (othersCpu ?? 0) > LOADED;

/** The processor's time counts beside the clock's: on a loaded machine, where the processor does the work. */
export const cpuTimeCounts = (row: Pick<BenchRow, "othersCpu" | "cpu" | "device">): boolean =>
  isLoaded(row) && row.cpu !== undefined && row.device !== "cuda";

/** For a table: what others did while the row was measured, and what counts then. Empty of a row on a quiet machine. */
export function loadText(row: Pick<BenchRow, "othersCpu" | "cpu" | "device">): string {
  if (!isLoaded(row)) return "";
  const share = `others kept ${Math.round(100 * (row.othersCpu as number))} % of the cores busy`;
  if (row.device === "cuda") return `${share}: what the host does takes longer`;
  return cpuTimeCounts(row) ? `${share}: CPU time counts` : `${share}, and nobody knows the CPU time`;
}

/** Of /proc; null where it tells nothing. */
function ticks(): Ticks | null {
  const [, line] = /^cpu +([\d ]+)$/m.exec(textOf("/proc/stat")) ?? [];
  return line === undefined ? null : { ...machineTicks(line), ours: ownTicks() };
}

/** From the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already. */
export function machineTicks(line: string): Omit<Ticks, "ours"> {
  const all = line.trim().split(/ +/).slice(0, 8).map(Number);
  const total = all.reduce((sum, n) => sum + n, 0);
  return { total, busy: total - all[3] - all[4] };
}

/** Of processes that have ended, too: their ticks are those of their parent's children. */
function ownTicks(): number {
  let sum = 0;
  for (const pid of processTree()) {
    // After the name, which may hold anything: state, parent, ...; utime, stime, cutime and cstime are 11 to 14 of these.
    const fields = textOf(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ").slice(11, 15) ?? [];
    for (const field of fields) sum += Number(field);
  }
  return sum;
}
