/** A zip archive into a folder, in pieces, without ever holding it: names that leave the folder and sizes beyond reason are refused. */
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Unzip, UnzipInflate, UnzipPassThrough } from "fflate";
import { FileError } from "../../bindings/platform/file-error.js";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { makeFolder } from "../../bindings/platform/node-files.js";
import { sizeOf } from "../hub/download.js";
import { isSafePath } from "../hub/name.js";
import { unsound } from "./unsound.js";

/** An archive of images becomes little larger when it is unpacked; ten times would be no archive of images. */
const MOST_GROWTH = 10;
const SPARE = 64e6;
/** Bytes of the archive at a time: what they become waits in memory to be written, a thousand times as much at worst. */
const PIECE = 8 << 10;

export interface UnzipOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the archive that were read. */
  onProgress?(done: number, total: number): void;
}

/** Returns the files it had, and their bytes. Rejects with FileError. Each file gets its name when it is whole. */
export async function unzip(
  archive: string,
  folder: string,
  { signal, onProgress }: UnzipOptions = {},
): Promise<Record<string, number>> {
  const size = await sizeOf(archive);
  const writer = new Writer(archive, folder, size * MOST_GROWTH + SPARE);
  const unzipper = new Unzip((file) => {
    if (file.name.endsWith("/")) return;
    writer.begin(file.name);
    file.ondata = (error, data, final) => writer.take(error, data, final);
    file.start();
  });
  unzipper.register(UnzipInflate);
  unzipper.register(UnzipPassThrough);
  let done = 0;
  try {
    for await (const chunk of createReadStream(archive, { highWaterMark: PIECE }) as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      unzipper.push(chunk);
      await writer.flush();
      done += chunk.length;
      onProgress?.(done, size);
    }
    unzipper.push(new Uint8Array(0), true);
    await writer.flush();
    return writer.finish();
  } catch (cause) {
    signal?.throwIfAborted();
    throw unsound(archive, "zip archive", cause);
  } finally {
    await writer.close();
  }
}

type Step = { begin: string } | { data: Uint8Array } | { end: true };

/** Writes what the unpacker gives, in order: it gives it at once, files take their time. */
class Writer {
  readonly #archive: string;
  readonly #folder: string;
  readonly #most: number;
  readonly #steps: Step[] = [];
  #bytes = 0;
  #ended = 0;
  readonly #files = new Map<string, number>();
  #open: { file: FileHandle; name: string; path: string; bytes: number } | null = null;
  #begun = 0;

  constructor(archive: string, folder: string, most: number) {
    this.#archive = archive;
    this.#folder = folder;
    this.#most = most;
  }

  begin(name: string): void {
    if (!isSafePath(name))
      throw new FileError(
        this.#archive,
        `it holds ${JSON.stringify(name)}, which would leave its folder: nothing of it is taken`,
      );
    this.#begun++;
    this.#steps.push({ begin: name });
  }

  take(error: Error | null, data: Uint8Array, final: boolean): void {
    if (error) throw error;
    this.#bytes += data.length;
    if (this.#bytes > this.#most)
      throw new FileError(
        this.#archive,
        `it unpacks to more than ${Math.round(this.#most / 1e6)} MB: it is no archive of images`,
      );
    if (data.length > 0) this.#steps.push({ data });
    if (final) this.#steps.push({ end: true });
  }

  async flush(): Promise<void> {
    for (const step of this.#steps.splice(0)) {
      if ("begin" in step) {
        const path = join(this.#folder, step.begin);
        await onFile(path, makeFolder(dirname(path)));
        this.#open = { name: step.begin, path, bytes: 0, file: await onFile(path, open(`${path}.part`, "w")) };
      } else if (this.#open && "data" in step) {
        await onFile(this.#open.path, this.#open.file.write(step.data));
        this.#open.bytes += step.data.length;
      } else if (this.#open) {
        const { file, name, path, bytes } = this.#open;
        await file.close();
        this.#open = null;
        await onFile(path, rename(`${path}.part`, path));
        this.#files.set(name, bytes);
        this.#ended++;
      }
    }
  }

  finish(): Record<string, number> {
    if (this.#ended === 0 || this.#ended < this.#begun)
      throw new Error(this.#begun === 0 ? "it has no files" : "it was cut short");
    return Object.fromEntries(this.#files);
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
  }
}
