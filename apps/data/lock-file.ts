/** What was fetched into a folder: where from, and the hash of every file. What nobody lists is known by it from the second time on. */
import { join } from "node:path";
import { z } from "zod";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { isSafePath } from "../hub/name.js";

export const LOCK_FILE = "consilium-data.json";

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const Lock = z.object({
  version: z.literal(1),
  /** Name of the source. */
  source: z.string(),
  /** That was accepted. */
  licence: z.string(),
  /** Of the repository; null for files by their URLs. */
  commit: z.string().nullable(),
  files: z.record(
    z.string().refine(isSafePath),
    z.object({
      url: z.string(),
      size: z.int().nonnegative(),
      sha256: hash,
      /** Whether its host listed a hash that it had; otherwise it is what came first. */
      listed: z.boolean(),
      /** Files that were unpacked of it, and their bytes; it is gone then. */
      unpacked: z.record(z.string().refine(isSafePath), z.int().nonnegative()).optional(),
    }),
  ),
});
export type Lock = z.infer<typeof Lock>;

/** Null where nothing was fetched into the folder. Rejects with FileError for one that cannot be read. */
export async function readLock(folder: string): Promise<Lock | null> {
  const file = join(folder, LOCK_FILE);
  if (!(await platform.exists(file))) return null;
  try {
    return Lock.parse(JSON.parse(await platform.readText(file)));
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new FileError(
      file,
      "it is damaged. Remove it: files that are there are then compared with their source, or refused",
      { cause },
    );
  }
}

/** A lock that becomes longer while several files come at once. Its file is written one time after the other: the last has all. */
export class KeptLock {
  readonly #folder: string;
  #lock: Lock;
  #written: Promise<void> = Promise.resolve();

  constructor(folder: string, lock: Lock) {
    this.#folder = folder;
    this.#lock = lock;
  }

  get lock(): Lock {
    return this.#lock;
  }

  get files(): Lock["files"] {
    return this.#lock.files;
  }

  /** Ends when it is in the file. */
  keep(path: string, entry: Lock["files"][string]): Promise<void> {
    this.#lock = { ...this.#lock, files: { ...this.files, [path]: entry } };
    const write = () => writeLock(this.#folder, this.#lock);
    // A write that failed is told to who asked for it; the next one tries again.
    this.#written = this.#written.then(write, write);
    return this.#written;
  }
}

const writeLock = (folder: string, lock: Lock): Promise<void> =>
  platform.writeFile(join(folder, LOCK_FILE), [new TextEncoder().encode(`${JSON.stringify(lock, null, 1)}\n`)]);
