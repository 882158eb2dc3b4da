/** One file of a hub into one of this machine: it goes on where it broke off, and its hash is checked before it gets its name. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FileError } from "../../bindings/platform/file-error.js";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { ignore, makeFolder } from "../../bindings/platform/node-files.js";
import { fileUrl, type Hub, type HubFile, PATIENCE, request } from "./hub.js";
import { locked } from "./lock.js";

/** Transfers that break off, one after the other, before it is given up; one that brought anything does not count. */
const ATTEMPTS = 5;

/** Where a transfer is kept until it is complete. */
export const partOf = (path: string) => `${path}.part`;

export interface Source {
  readonly hub: Hub;
  readonly model: string;
  readonly commit: string;
}

/** Bytes of a file; 0 where there is none. */
export const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(ignore("ENOENT")))?.size ?? 0;

/**
 * `onBytes` hears how many bytes of the file are here. Of several processes that want it one fetches it, the others wait. Rejects
 * with FileError; what has come stays for the next time.
 */
export async function download(
  source: Source,
  file: HubFile,
  path: string,
  onBytes: (loaded: number) => void = () => {},
): Promise<void> {
  await onFile(path, makeFolder(dirname(path)));
  const onWait = async () => onBytes(await sizeOf(partOf(path)));
  await locked(`${path}.lock`, { signal: source.hub.signal, onWait }, async () => {
    if (await isWhole(path, file)) return;
    await fetchFile(source, file, path, onBytes).catch(async (error) => {
      // A process that stood still loses its lock: another may have finished meanwhile.
      if (!(await isWhole(path, file))) throw error;
    });
  });
}

/** Whether it is here: a file gets its name only after its hash was checked. */
export const isWhole = async (path: string, { size }: HubFile): Promise<boolean> =>
  (await stat(path).catch(() => null))?.size === size;

async function fetchFile(
  { hub, model, commit }: Source,
  file: HubFile,
  path: string,
  onBytes: (loaded: number) => void,
): Promise<void> {
  const url = fileUrl(hub, model, commit, file.path);
  const part = partOf(path);
  // Longer than the file: not of this file.
  if ((await sizeOf(part)) > file.size) await onFile(part, rm(part));
  for (let failures = 0; (await sizeOf(part)) < file.size; ) {
    const before = await sizeOf(part);
    const cause = await transfer(hub, url, file, part, onBytes);
    const now = await sizeOf(part);
    if (now >= file.size) break;
    failures = now > before ? 0 : failures + 1;
    if (failures >= ATTEMPTS)
      throw new FileError(
        url,
        `the download broke off after ${now} of ${file.size} bytes. Start again to go on from there`,
        { cause },
      );
  }
  if (file.size === 0)
    await onFile(
      part,
      open(part, "w").then((handle) => handle.close()),
    );
  const found = await hashOf(part, file, hub.signal);
  if (found !== file.hash.hex) {
    await onFile(part, rm(part));
    throw new FileError(
      url,
      `its hash is ${found}, the hub lists ${file.hash.hex}: what came is not the file and was removed. Try again; where it ` +
        "stays so, something on the way changes it",
    );
  }
  await onFile(path, rename(part, path));
}

/** Appends what the server gives from the end of the part on. Returns why it ended early; null where it did not. */
async function transfer(
  hub: Hub,
  url: string,
  { size }: HubFile,
  part: string,
  onBytes: (loaded: number) => void,
): Promise<unknown> {
  let at = await sizeOf(part);
  const stalled = new AbortController();
  const signal = AbortSignal.any([stalled.signal, ...(hub.signal ? [hub.signal] : [])]);
  const response = await request(hub, url, at > 0 ? { range: `bytes=${at}-` } : {});
  const from = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (response.status !== 206) at = 0;
  else if (Number(from) !== at) {
    await response.body?.cancel();
    throw new FileError(url, `the server gives bytes from ${from} on, where those from ${at} on were asked for`);
  }
  const file: FileHandle = await onFile(part, open(part, at > 0 ? "r+" : "w"));
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
      if (at + value.length > size)
        throw new FileError(url, `the server gives more than the ${size} bytes that the hub lists`);
      await onFile(part, file.write(value, 0, value.length, at));
      at += value.length;
      onBytes(at);
    }
    hub.signal?.throwIfAborted();
    return null;
  } catch (error) {
    hub.signal?.throwIfAborted();
    if (error instanceof FileError) throw error;
    return error;
  } finally {
    clearTimeout(timer);
    await reader?.cancel().catch(() => {});
    await file.close();
  }
}

async function hashOf(path: string, { size, hash }: HubFile, signal?: AbortSignal): Promise<string> {
  const digest = createHash(hash.kind === "sha256" ? "sha256" : "sha1");
  if (hash.kind === "git") digest.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) {
    signal?.throwIfAborted();
    digest.update(chunk);
  }
  return digest.digest("hex");
}
