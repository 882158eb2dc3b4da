/** A model of a hub that is looked at, not used: its settings come into the cache, of its weights only the parts that are read. */
import { relative, sep } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import type { FileSource } from "../../bindings/platform/files.js";
import type { io } from "../../engine/index.js";
import type { FoundModel } from "../../models/index.js";
import type { Source } from "./download.js";
import { fileUrl, type HubFile, request } from "./hub.js";
import { type Environment, fetchAll, located, type ModelOptions } from "./model.js";

/** A model on this machine, or settings on this machine and weights on a hub. */
export interface InspectedModel extends FoundModel {
  /** What `io.openCheckpoint` opens it by. */
  readonly files: io.CheckpointFiles;
}

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
    const last = offset + length - 1;
    const response = await request(this.#source.hub, this.name, { range: `bytes=${offset}-${last}` });
    const [, from, to] = /^bytes (\d+)-(\d+)/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (response.status !== 206 || Number(from) !== offset || Number(to) !== last) {
      await response.body?.cancel();
      throw new FileError(this.name, "the server gives files whole, not in parts");
    }
    return new Uint8Array(await response.arrayBuffer());
  }

  async close(): Promise<void> {}
}
