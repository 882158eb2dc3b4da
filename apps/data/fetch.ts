/** A published data set into a folder: resumable, every file checked, unpacked where it is an archive. */
import { join } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { makeFolder } from "../../bindings/platform/node-files.js";
import { download, hashOf, partOf, sizeOf } from "../hub/download.js";
import { locked } from "../hub/lock.js";
import { type Hosts, hostsOf, type ListedFile, listFiles } from "./listing.js";
import { KeptLock, LOCK_FILE, type Lock, readLock } from "./lock-file.js";
import type { DataSource } from "./sources.js";
import { forgetLost, unpackAll } from "./unpack.js";

export interface FetchOptions {
  readonly signal?: AbortSignal;
  readonly token?: string;
  readonly hosts?: Hosts;
  /** Bytes that are here, of all; null where a file's size is not known yet. */
  onProgress?(loaded: number, total: number | null): void;
  /** What is being done beside it. */
  onNote?(text: string): void;
}

/** What is in the folder afterwards. */
export interface Fetched {
  readonly lock: Lock;
  /** Files that came this time; 0 where all were there. */
  readonly files: number;
  readonly bytes: number;
}

/** Files at a time: a data set may be hundreds of small ones. */
const AT_ONCE = 4;

/**
 * Of several processes that fetch into a folder one does it, the others wait. Rejects with FileError; what has come stays, and the same
 * call goes on with it.
 */
export async function fetchDataSet(
  name: string,
  source: DataSource,
  folder: string,
  options: FetchOptions = {},
): Promise<Fetched> {
  const { signal, onNote } = options;
  await onFile(folder, makeFolder(folder));
  let isTold = false;
  const onWait = () => {
    if (!isTold) onNote?.(`another process fetches into ${folder}: waiting for it`);
    isTold = true;
  };
  return await locked(join(folder, `${LOCK_FILE}.lock`), { signal, onWait }, () =>
    fetchAlone(name, source, folder, options),
  );
}

async function fetchAlone(name: string, source: DataSource, folder: string, options: FetchOptions): Promise<Fetched> {
  const { signal, token, hosts = hostsOf(), onNote } = options;
  const before = await readLock(folder);
  if (before && before.source !== name)
    throw new FileError(folder, `it holds ${before.source} already. Name another folder`);
  const origin = { who: "host", signal, ...(token && source.from.kind === "hub" && { token }) };
  const listing = await listFiles(source, hosts, origin, before?.commit ?? null);
  const { licence } = source;
  const kept = new KeptLock(folder, before ?? { version: 1, source: name, licence, commit: listing.commit, files: {} });
  await forgetLost(folder, kept);

  const missing: ListedFile[] = [];
  for (const file of listing.files) if (!(await isHere(folder, file, kept, signal))) missing.push(file);
  const progress = new Count(missing, options.onProgress);
  for (const file of missing) progress.add(file.path, await sizeOf(partOf(join(folder, file.path))));

  const queue = [...missing];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const { path, url, hash } = file;
      const at = join(folder, path);
      const known = kept.files[path];
      // What came the first time is what has to come again.
      const wanted = hash ?? (known ? ({ kind: "sha256", hex: known.sha256 } as const) : null);
      const size = file.size ?? known?.size ?? null;
      await download(origin, { url, size, hash: wanted }, at, (bytes) => progress.add(path, bytes));
      const found = { url, size: await sizeOf(at), sha256: await hashOf(at, "sha256", signal), listed: hash !== null };
      progress.done(path, found.size);
      await kept.keep(path, found);
    }
  };
  // One that fails lets the others finish: what they have is kept.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;

  await unpackAll(
    folder,
    listing.files.map(({ path }) => path),
    kept,
    { signal, onNote },
  );
  return { lock: kept.lock, files: missing.length, bytes: progress.loaded };
}

/** Whether a file is there as it has to be: by the lock, or by what its host lists. Throws where it is another. */
async function isHere(
  folder: string,
  { path, hash, url }: ListedFile,
  kept: KeptLock,
  signal?: AbortSignal,
): Promise<boolean> {
  const at = join(folder, path);
  const known = kept.files[path];
  if (known?.unpacked !== undefined) return true;
  if (!(await platform.exists(at))) return false;
  const sha256 = await hashOf(at, "sha256", signal);
  if (known) {
    if (sha256 === known.sha256) return true;
    throw new FileError(
      at,
      `it has changed since it was fetched (SHA-256 ${sha256.slice(0, 12)}..., ${LOCK_FILE} says ${known.sha256.slice(0, 12)}...). Remove it to ` +
        "fetch it again",
    );
  }
  if (hash === null)
    throw new FileError(
      at,
      `it is there, and nothing says whether it is that of the data set. Remove it, or name another folder`,
    );
  const found = hash.kind === "sha256" ? sha256 : await hashOf(at, hash.kind, signal);
  if (found !== hash.hex)
    throw new FileError(at, "it is there, and is not that of the data set. Remove it, or name another folder");
  await kept.keep(path, { url, size: await sizeOf(at), sha256, listed: true });
  return true;
}

/** Bytes over all files. */
class Count {
  readonly #loaded = new Map<string, number>();
  readonly #sizes = new Map<string, number | null>();
  readonly #onProgress: FetchOptions["onProgress"];

  constructor(files: readonly ListedFile[], onProgress: FetchOptions["onProgress"]) {
    for (const { path, size } of files) this.#sizes.set(path, size);
    this.#onProgress = onProgress;
  }

  get loaded(): number {
    return [...this.#loaded.values()].reduce((a, b) => a + b, 0);
  }

  add(path: string, bytes: number): void {
    this.#loaded.set(path, bytes);
    const sizes = [...this.#sizes.values()];
    const total = sizes.includes(null) ? null : sizes.reduce<number>((a, b) => a + (b as number), 0);
    this.#onProgress?.(this.loaded, total);
  }

  done(path: string, bytes: number): void {
    this.#sizes.set(path, bytes);
    this.add(path, bytes);
  }
}
