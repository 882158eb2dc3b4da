/** One process at a time: who has made a lock file does the work, the others wait until it is gone. */
import { randomUUID } from "node:crypto";
import { constants, copyFile, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { ignore, isAlive } from "../../bindings/platform/node-files.js";

/** How often a holder touches its lock, and others look at it, in milliseconds. */
const BEAT = 2_000;
const LOOK = 200;
/** Looks at a lock that nobody touches before its holder counts as dead: not by the clock, which goes on while a machine sleeps. */
const PATIENCE = 150;

/** Locks of this process, by what stands in them. */
const held = new Set<string>();

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** While another process holds it. */
  onWait?(): Promise<void> | void;
}

/**
 * Runs `work` while no other process runs its own under the same lock. The lock of a process that died is taken over: at once
 * on the same machine, elsewhere when it was not touched for half a minute. Rejects with the signal's reason while it waits.
 */
export async function locked<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  held.add(own);
  await acquire(path, own, options).catch((error) => {
    held.delete(own);
    throw error;
  });
  const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), BEAT);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    // It may have been taken over, where this process stood still.
    if ((await contentOf(path)) === own) await rm(path, { force: true });
    held.delete(own);
  }
}

async function acquire(path: string, own: string, { signal, onWait }: LockOptions): Promise<void> {
  let seen = "";
  for (let looks = 0; !(await make(path, own)); looks++) {
    const holder = await contentOf(path);
    const state = `${holder} ${(await stat(path).catch(() => null))?.mtimeMs}`;
    if (state !== seen) looks = 0;
    seen = state;
    if (holder !== null && (hasDied(holder) || looks >= PATIENCE)) {
      await takeOff(path, holder);
      continue;
    }
    await onWait?.();
    await sleep(LOOK, null, { signal }).catch(() => signal?.throwIfAborted());
  }
}

/** False where there is one. */
const make = (path: string, own: string): Promise<boolean> =>
  onFile(
    path,
    writeFile(path, own, { flag: "wx" })
      .then(() => true, ignore("EEXIST"))
      .then((made) => made ?? false),
  );

/** Removes the lock of a holder that died. Where another took its place meanwhile, that one's is put back. */
async function takeOff(path: string, holder: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await onFile(path, rename(path, aside).catch(ignore("ENOENT")));
  const found = await contentOf(aside);
  if (found !== null && found !== holder) await copyFile(aside, path, constants.COPYFILE_EXCL).catch(() => {});
  await rm(aside, { force: true });
}

const contentOf = (path: string) => readFile(path, "utf8").catch(() => null);

/** Whether it is known: of a process of this machine. */
function hasDied(holder: string): boolean {
  try {
    const { host, pid } = JSON.parse(holder) as { host?: unknown; pid?: unknown };
    if (host !== hostname() || typeof pid !== "number") return false;
    // In containers the process that died had the same number as this one.
    return pid === process.pid ? !held.has(holder) : !isAlive(pid);
  } catch {
    // Not written to its end yet.
    return false;
  }
}
