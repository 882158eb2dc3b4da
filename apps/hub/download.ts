/** One file of the network into one of this machine: it goes on where it broke off, and its hash is checked before it gets its name. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FileError } from "../../bindings/platform/file-error.js";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { ignore, makeFolder } from "../../bindings/platform/node-files.js";
import { type HubFile, type Origin, PATIENCE, request } from "./hub.js";
import { locked } from "./lock.js";

/** Transfers that break off, one after the other, before it is given up; one that brought anything does not count. */
const ATTEMPTS = 5;

/** Where a transfer is kept until it is complete. */
export const partOf = (path: string) => `${path}.part`;

/** Which state of the server's file a part is of: without a hash, only that tells whether what is missing still fits. */
const stateOf = (part: string) => `${part}.state`;

/** A file of the network, and what its content has to be, as far as that is known. */
export interface RemoteFile {
  readonly url: string;
  /** Bytes; null where only the server's answer says it. */
  readonly size: number | null;
  /** Null where nobody says it: what comes is then taken as it is. */
  readonly hash: HubFile["hash"] | null;
}

/** Bytes of a file; 0 where there is none. */
export const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(ignore("ENOENT")))?.size ?? 0;

/**
 * `onBytes` hears how many bytes of the file are here. Of several processes that want it one fetches it, the others wait. Rejects
 * with FileError; what has come stays for the next time.
 */
export async function download(
  origin: Origin,
  file: RemoteFile,
  path: string,
  onBytes: (loaded: number) => void = () => {},
): Promise<void> {
  await onFile(path, makeFolder(dirname(path)));
  const onWait = async () => onBytes(await sizeOf(partOf(path)));
  await locked(`${path}.lock`, { signal: origin.signal, onWait }, async () => {
    if (await isWhole(path, file)) return;
    await fetchFile(origin, file, path, onBytes).catch(async (error) => {
      // A process that stood still loses its lock: another may have finished meanwhile.
      if (!(await isWhole(path, file))) throw error;
    });
  });
}

/** Whether it is here: a file gets its name only after its hash was checked. One of unknown size is, once it has its name. */
export const isWhole = async (path: string, { size }: Pick<RemoteFile, "size">): Promise<boolean> => {
  const found = await stat(path).catch(() => null);
  return found !== null && (size === null || found.size === size);
};

async function fetchFile(
  origin: Origin,
  file: RemoteFile,
  path: string,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const { url, hash } = file;
  const part = partOf(path);
  let total = file.size;
  // Longer than the file: not of this file.
  if (total !== null && (await sizeOf(part)) > total) await onFile(part, rm(part));
  for (let failures = 0; total === null || (await sizeOf(part)) < total; ) {
    const before = await sizeOf(part);
    const ended = await transfer(origin, file, part, onBytes);
    total ??= ended.total;
    const now = await sizeOf(part);
    if (total === null ? ended.cause === null : now >= total) break;
    // What the server said first may have been wrong: it is asked again.
    total = file.size;
    failures = now > before ? 0 : failures + 1;
    if (failures >= ATTEMPTS)
      throw new FileError(
        url,
        `the download broke off after ${now} of ${ended.total ?? "unknown"} bytes. Start again to go on from there`,
        { cause: ended.cause },
      );
  }
  if ((await sizeOf(part)) === 0)
    await onFile(
      part,
      open(part, "w").then((handle) => handle.close()),
    );
  const found = hash && (await hashOf(part, hash.kind, origin.signal));
  if (hash && found !== hash.hex) {
    await onFile(part, rm(part));
    throw new FileError(
      url,
      `its hash is ${found}, the ${origin.who ?? "hub"} lists ${hash.hex}: what came is not the file and was removed. Try again; where it ` +
        "stays so, something on the way changes it",
    );
  }
  await rm(stateOf(part), { force: true });
  await onFile(path, rename(part, path));
}

interface Ended {
  /** Why it ended early; null where it did not. */
  readonly cause: unknown;
  /** Bytes of the whole file, as the server says, or as is known. */
  readonly total: number | null;
}

/** Appends what the server gives from the end of the part on. */
async function transfer(
  origin: Origin,
  { url, size, hash }: RemoteFile,
  part: string,
  onBytes: (loaded: number) => void,
): Promise<Ended> {
  const state = hash === null ? await readFile(stateOf(part), "utf8").catch(() => null) : null;
  const isResumable = hash !== null || state !== null;
  let at = isResumable ? await sizeOf(part) : 0;
  const stalled = new AbortController();
  const signal = AbortSignal.any([stalled.signal, ...(origin.signal ? [origin.signal] : [])]);
  const range = at > 0 ? { range: `bytes=${at}-`, ...(state !== null && { "if-range": state }) } : {};
  const response = await request(origin, url, range);
  const [, from, all] = /^bytes (\d+)-\d+\/(\d+|\*)/.exec(response.headers.get("content-range") ?? "") ?? [];
  if (response.status !== 206) at = 0;
  else if (Number(from) !== at) {
    await response.body?.cancel();
    throw new FileError(url, `the server gives bytes from ${from} on, where those from ${at} on were asked for`);
  }
  const said = response.status === 206 ? Number(all) : Number(response.headers.get("content-length") ?? Number.NaN);
  const total = size ?? (Number.isSafeInteger(said) ? said : null);
  const file: FileHandle = await onFile(part, open(part, at > 0 ? "r+" : "w"));
  if (hash === null && at === 0) await keepState(part, response.headers);
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), PATIENCE);
  };
  const reader = response.body?.getReader();
  signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}), { once: true });
  try {
    for (wait(); reader; wait()) {
      const { done, value } = await reader.read();
      if (done) break;
      if (size !== null && at + value.length > size)
        throw new FileError(url, `the server gives more than the ${size} bytes that the ${origin.who ?? "hub"} lists`);
      await onFile(part, file.write(value, 0, value.length, at));
      at += value.length;
      onBytes(at);
    }
    origin.signal?.throwIfAborted();
    return { cause: stalled.signal.aborted ? stalled.signal.reason : null, total };
  } catch (error) {
    origin.signal?.throwIfAborted();
    if (error instanceof FileError) throw error;
    return { cause: error, total };
  } finally {
    clearTimeout(timer);
    await reader?.cancel().catch(() => {});
    await file.close();
  }
}

/** A strong tag, or the time of the last change: weak tags stand for more than one content. */
async function keepState(part: string, headers: Headers): Promise<void> {
  const tag = headers.get("etag");
  const state = tag && !tag.startsWith("W/") ? tag : headers.get("last-modified");
  if (state === null) await rm(stateOf(part), { force: true });
  else await onFile(stateOf(part), writeFile(stateOf(part), state));
}

/** Of a file: SHA-256, or git's SHA-1. */
export async function hashOf(path: string, kind: HubFile["hash"]["kind"], signal?: AbortSignal): Promise<string> {
  const digest = createHash(kind === "sha256" ? "sha256" : "sha1");
  if (kind === "git") digest.update(`blob ${await sizeOf(path)}\0`);
  for await (const chunk of createReadStream(path)) {
    signal?.throwIfAborted();
    digest.update(chunk);
  }
  return digest.digest("hex");
}
