/** A model of a hub that is looked at, not used: its settings come into the cache, of its weights only the parts that are read. */
import { relative, sep } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import type { FileSource } from "../../bindings/platform/files.js";
import type { io } from "../../engine/index.js";
import type { FoundModel } from "../../models/index.js";
import { fileUrl, type HubFile, PATIENCE, request, type Source } from "./hub.js";
import { type Environment, fetchAll, located, type ModelOptions } from "./model.js";

/** A model on this machine, or settings on this machine and weights on a hub. */
export interface InspectedModel extends FoundModel {
  /** What `io.openCheckpoint` opens it by. */
  readonly files: io.CheckpointFiles;
}

/** Of what is read at once: a header of safetensors has 100 MB at most, others less. */
const MOST_BYTES = 128e6;

const isSetting = ({ path }: HubFile) => /(^|\/)config\.json$|\.index\.json$/.test(path);

/** As `findModel`, without fetching weights: a header of 100 kB stands for gigabytes. Their hash cannot be checked so. */
export async function inspectModel(
  text: string,
  options: ModelOptions = {},
  env: Environment = process.env,
): Promise<InspectedModel> {
  let files: io.CheckpointFiles = platform;
  const found = await located(text, options, env, async ({ source, files: all, folder }) => {
    await fetchAll(source, all.filter(isSetting), folder, options.onProgress);
    const remote = new Map(all.filter((file) => !isSetting(file)).map((file) => [file.path, file]));
    const at = (path: string) => remote.get(relative(folder, path).replaceAll(sep, "/"));
    files = {
      exists: async (path) => at(path) !== undefined || platform.exists(path),
      openFile: async (path) => {
        const file = (await platform.exists(path)) ? undefined : at(path);
        return file ? new RemoteFile(source, file) : platform.openFile(path);
      },
    };
  });
  return { ...found, files };
}

/** A file of a hub, read by ranges. */
class RemoteFile implements FileSource {
  readonly name: string;
  readonly size: number;
  readonly #source: Source;

  constructor(source: Source, { path, size }: HubFile) {
    this.name = fileUrl(source.hub, source.model, source.commit, path);
    this.size = size;
    this.#source = source;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length > MOST_BYTES)
      throw new FileError(
        this.name,
        `a part of ${length} bytes is no header: the file is damaged, or of another format`,
      );
    const last = offset + length - 1;
    const { hub } = this.#source;
    const response = await request(hub, this.name, { range: `bytes=${offset}-${last}` });
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
    const [from, to, total] = range?.slice(1) ?? [];
    const fault =
      response.status !== 206 || Number(from) !== offset || Number(to) !== last
        ? "the server gives files whole, not in parts"
        : total !== "*" && Number(total) !== this.size
          ? `the server has ${total} bytes of it, the hub lists ${this.size}`
          : null;
    if (fault === null) return exactly(response, length, this.name, hub.signal);
    await response.body?.cancel();
    throw new FileError(this.name, fault);
  }

  async close(): Promise<void> {}
}

/** The body, which has `length` bytes: what a server gives beyond them is not waited for. */
async function exactly(response: Response, length: number, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  let cause: unknown;
  const reader = response.body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  let timer = setTimeout(cancel, PATIENCE);
  try {
    while (reader && at < length) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes.set(value.subarray(0, length - at), at);
      at += value.length;
      clearTimeout(timer);
      timer = setTimeout(cancel, PATIENCE);
    }
  } catch (error) {
    cause = error;
  } finally {
    clearTimeout(timer);
    cancel();
  }
  signal?.throwIfAborted();
  if (at === length) return bytes;
  const what =
    at < length
      ? `the transfer broke off after ${at} of ${length} bytes. Try again`
      : `the server gives more than the ${length} bytes that it was asked for`;
  throw new FileError(name, what, { cause });
}
