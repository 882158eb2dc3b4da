/** One process at a time: who has made a lock file does the work, the others wait until it is gone. */
import { randomUUID } from "node:crypto";
import { constants, copyFile, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { ignore, isAlive } from "../../bindings/platform/node-files.js";
import { BEAT, touching } from "./beat.js";

/** How often others look at a lock, in milliseconds. */
const LOOK = 200;
/**
 * For how long, in milliseconds, the lock of a process that is not to be found is not touched before its holder counts as dead: containers
 * may share the name of their machine, and see only their own processes.
 */
const STALE = 5 * BEAT;
/** Looks at a lock that nobody touches before its holder counts as dead: not by the clock, which goes on while a machine sleeps. */
const PATIENCE = 150;

/** Locks of this process, by what stands in them. */
const held = new Set<string>();

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** While there is a lock. `isLive`: its holder was seen to touch it, or took it meanwhile; until then it may have died. */
  onWait?(isLive: boolean): Promise<void> | void;
}

/**
 * Runs `work` while no other process runs its own under the same lock. The lock of a process that died is taken over: on
 * the same machine ten seconds after it was last touched, elsewhere, and where another process has its number, when it was not touched
 * for half a minute. Rejects with the signal's reason while it waits.
 */
export async function locked<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  held.add(own);
  await acquire(path, own, options).catch((error) => {
    held.delete(own);
    throw error;
  });
  const stop = touching(path, own);
  try {
    return await work();
  } finally {
    stop();
    // It may have been taken over, where this process stood still.
    if ((await contentOf(path)) === own) await rm(path, { force: true });
    held.delete(own);
  }
}

async function acquire(path: string, own: string, { signal, onWait }: LockOptions): Promise<void> {
  let seen: string | null = null;
  let isLive = false;
  for (let looks = 0; !(await make(path, own)); looks++) {
    const holder = await contentOf(path);
    const touched = (await stat(path).catch(() => null))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    const state = `${holder} ${touched}`;
    if (state !== seen) looks = 0;
    isLive ||= seen !== null && state !== seen;
    seen = state;
    if (holder !== null && (looks >= PATIENCE || (isUnknown(holder) && Date.now() - touched > STALE))) {
      await takeOff(path, holder);
      continue;
    }
    await onWait?.(isLive);
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

/** Whether it says it is of this machine, and no such process is to be found here. */
function isUnknown(holder: string): boolean {
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
