/** A model by its folder, or by its name on a hub: then its files are fetched into a cache and checked, once. */
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { OptionError } from "../../engine/index.js";
import { download, partOf, sizeOf } from "./download.js";
import { commitOf, filesOf, type Hub, type HubFile } from "./hub.js";
import { type HubName, parseHubName } from "./name.js";
import { wanted } from "./wanted.js";

export interface ModelOptions {
  /** Only what is in the cache. Default: whether HF_HUB_OFFLINE is set. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  /** Bytes that are here, of all that are needed. */
  onProgress?(loaded: number, total: number): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where files of hubs are kept: CONSILIUM_CACHE, or a folder of the user's cache. */
export const cacheFolder = (env: Environment = process.env): string =>
  env.CONSILIUM_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "consilium", "hub");

const isSet = (value: string | undefined) =>
  value !== undefined && !["", "0", "false", "no"].includes(value.toLowerCase());

/**
 * The path of a model's folder, or of a single file as a router is: `text` itself where it is there, else the name of a
 * model on a hub (`JsST/Med-MoE/stage3`, `owner/model/router.pth@revision`), whose files are then in the cache. Throws
 * OptionError for what is neither; FileError where it cannot be had.
 */
export async function modelPath(
  text: string,
  options: ModelOptions = {},
  env: Environment = process.env,
): Promise<string> {
  if (await stat(text).catch(() => null)) return text;
  const name = parseHubName(text);
  if (name === null)
    throw new OptionError(
      `${text}: there is no such folder or file, and it is no name on a hub, as owner/model, owner/model/folder or ` +
        "owner/model/folder@revision are.",
    );
  const { offline = isSet(env.HF_HUB_OFFLINE), signal, onProgress = () => {} } = options;
  const root = join(cacheFolder(env), ...name.model.split("/"));
  const reference = join(root, "refs", name.revision);
  if (offline) return cached(text, name, root, reference);

  const host = (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const hub: Hub = { host, signal, ...(env.HF_TOKEN && { token: env.HF_TOKEN }) };
  const commit = await commitOf(hub, name.model, name.revision);
  const folder = join(root, commit);
  const files = await chosen(hub, name, commit);
  await fetchAll({ hub, model: name.model, commit }, files, folder, onProgress);
  await write(listing(folder, name), JSON.stringify(files, null, 2));
  await write(reference, commit);
  return join(folder, name.path);
}

const write = (path: string, text: string) => platform.writeFile(path, [new TextEncoder().encode(text)]);

/** What was fetched under a name, beside the commit's folder: a name of its own for each path. */
const listing = (folder: string, { path }: HubName) => `${folder}.${encodeURIComponent(path) || "all"}.json`;

/** The files that a name stands for: one, or those of a folder that are read. */
async function chosen(hub: Hub, { model, path }: HubName, commit: string): Promise<HubFile[]> {
  const isFile = /\.(pth|pt|bin|safetensors|json)$/.test(path);
  const folder = isFile ? path.split("/").slice(0, -1).join("/") : path;
  const below = (await filesOf(hub, model, commit, folder)).filter((file) =>
    file.path.startsWith(folder && `${folder}/`),
  );
  if (isFile) {
    const file = below.find((file) => file.path === path);
    if (file) return [file];
    throw new FileError(`${model}/${path}`, "the hub lists no such file");
  }
  const direct = below.filter((file) => !file.path.slice(folder ? folder.length + 1 : 0).includes("/"));
  const names = new Set(wanted(direct.map((file) => basename(file.path))));
  const files = direct.filter((file) => names.has(basename(file.path)));
  if (files.some((file) => basename(file.path) === "config.json")) return files;
  const folders = [
    ...new Set(below.flatMap(({ path }) => (/(.*)\/config\.json$/.exec(path) ? [path.slice(0, -12)] : []))),
  ];
  const advice =
    folders.length > 0 ? `Models are in ${folders.map((folder) => `${model}/${folder}`).join(", ")}` : "Check its name";
  throw new FileError(`${model}${path && `/${path}`}`, `it holds no model (no config.json). ${advice}`);
}

async function fetchAll(
  source: Parameters<typeof download>[0],
  files: readonly HubFile[],
  folder: string,
  onProgress: (loaded: number, total: number) => void,
): Promise<void> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const loaded = new Map<string, number>();
  const tell = (path: string, bytes: number) => {
    loaded.set(path, bytes);
    onProgress(
      [...loaded.values()].reduce((a, b) => a + b, 0),
      total,
    );
  };
  const missing: HubFile[] = [];
  for (const file of files) {
    const there = await isThere(folder, file);
    if (!there) missing.push(file);
    tell(file.path, there ? file.size : await sizeOf(partOf(join(folder, file.path))));
  }
  for (const file of missing) {
    await download(source, file, join(folder, file.path), (bytes) => tell(file.path, bytes));
    tell(file.path, file.size);
  }
}

/** A file gets its name only after its hash was checked. */
const isThere = async (folder: string, { path, size }: HubFile) =>
  (await stat(join(folder, path)).catch(() => null))?.size === size;

async function cached(text: string, name: HubName, root: string, reference: string): Promise<string> {
  const commit = /^[0-9a-f]{40}$/.test(name.revision)
    ? name.revision
    : await readFile(reference, "utf8").catch(() => null);
  const folder = join(root, commit ?? "none");
  const list = commit === null ? null : await readFile(listing(folder, name), "utf8").catch(() => null);
  if (list === null)
    throw new FileError(text, `it is not in the cache (${root}). Fetch it once without --offline`, { notFound: true });
  for (const file of JSON.parse(list) as HubFile[])
    if (!(await isThere(folder, file)))
      throw new FileError(
        join(folder, file.path),
        "it is missing in the cache or has another size. Fetch it again without --offline",
      );
  return join(folder, name.path);
}
