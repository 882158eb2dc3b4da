/** Files under Node: positional reads, and writes that a reader never sees half done. */
import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FileError } from "./file-error.js";
import { checkRange } from "./file-range.js";
import type { FileSource } from "./files.js";
import { fileError, onFile } from "./node-file-error.js";

export const readText = (path: string): Promise<string> => onFile(path, readFile(path, "utf8"));

export async function openFile(path: string): Promise<FileSource> {
  const file = await onFile(path, open(path, "r"));
  const { size } = await file.stat();
  return {
    name: path,
    size,
    descriptor: file.fd,
    async read(offset, length, into) {
      checkRange(path, size, offset, length);
      const bytes = into ? into.subarray(0, length) : new Uint8Array(length);
      for (let done = 0; done < length; ) {
        // One system call reads at most 2 GiB.
        const piece = file.read(bytes, done, Math.min(length - done, 1 << 30), offset + done);
        const { bytesRead } = await onFile(path, piece);
        if (bytesRead === 0) throw new Error(`${path}: the file became shorter while it was read`);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}

/** Names in a folder; null for what is none, or is not there. */
export const listFolder = (path: string): Promise<string[] | null> =>
  onFile(
    path,
    readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOTDIR" || error.code === "ENOENT") return null;
      throw error;
    }),
  );

/** Makes a folder and those above it. Node's own recursion never ends where the system makes none, as under /proc. */
export async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path).catch(ignore("EEXIST"));
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  });
}

/** For `catch`: goes on after one kind of error. */
export const ignore = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code !== code) throw error;
};

/** Temporary files that this process is writing. */
const inFlight = new Set<string>();

export async function writeFile(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  // In the same folder, since a rename is atomic only within one file system.
  const name = `.${basename(path)}.${process.pid}.${randomUUID()}.tmp`;
  const temporary = join(dirname(path), name);
  let file: FileHandle | null = null;
  inFlight.add(name);
  try {
    await makeFolder(dirname(path));
    await sweep(path);
    file = await open(temporary, "wx");
    for await (const chunk of chunks) await writeAll(file, chunk);
    await file.sync();
    await file.close();
    file = null;
    await rename(temporary, path);
  } catch (cause) {
    await file?.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    if (!isSystemError(cause)) throw cause;
    throw new FileError(path, `${fileError(path, cause).reason}; what was there before is unchanged`, { cause });
  } finally {
    inFlight.delete(name);
  }
  await syncFolder(dirname(path));
}

export async function writeEnd(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  await onFile(
    path,
    (async () => {
      await makeFolder(dirname(path));
      const file = await open(path, "r+").catch(async (error: NodeJS.ErrnoException) => {
        ignore("ENOENT")(error);
        return open(path, "w");
      });
      try {
        await file.truncate(offset);
        for (let done = 0; done < bytes.byteLength; )
          done += (await file.write(bytes, done, bytes.byteLength - done, offset + done)).bytesWritten;
      } finally {
        await file.close();
      }
    })(),
  );
}

/** From the file system, not from what makes the chunks. */
const isSystemError = (error: unknown) => error instanceof Error && "syscall" in error;

/** Removes what a process that was killed while it wrote this file left behind. */
async function sweep(path: string): Promise<void> {
  const prefix = `.${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    const writer = name.startsWith(prefix) && /^(\d+)\.[0-9a-f-]{36}\.tmp$/.exec(name.slice(prefix.length))?.[1];
    if (!writer || inFlight.has(name)) continue;
    // In containers the process that was killed had the same number as this one.
    if (Number(writer) === process.pid || !isAlive(Number(writer)))
      await unlink(join(dirname(path), name)).catch(() => {});
  }
}

/** Whether there is a process of that number on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not ours to signal, but there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, done, Math.min(chunk.byteLength - done, 1 << 30));
    done += bytesWritten;
  }
}

/** Makes the rename last through a power cut. Some systems cannot open a folder: the file itself is safe there too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => null);
  try {
    await folder?.sync();
  } catch {
    // Not every file system syncs folders.
  } finally {
    await folder?.close();
  }
}
