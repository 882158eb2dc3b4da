/** A model by its folder, or by its name on a hub: then its files are fetched into a cache and checked, once. */
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { OptionError } from "../../engine/index.js";
import type { FoundModel } from "../../models/index.js";
import { download, isWhole, partOf, sizeOf } from "./download.js";
import { commitOf, filesOf, fileUrl, type Hub, type HubFile, type Source } from "./hub.js";
import { type HubName, isSafePath, parseHubName } from "./name.js";
import { wanted } from "./wanted.js";

export interface ModelOptions {
  /** Only what is in the cache. Default: whether HF_HUB_OFFLINE is set. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  /** Bytes that are here, of all that are needed. */
  onProgress?(loaded: number, total: number): void;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where files of hubs are kept: CONSILIUM_CACHE, or a folder of the user's cache. */
export const cacheFolder = (env: Environment = process.env): string =>
  env.CONSILIUM_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "consilium", "hub");

const isSet = (value: string | undefined) =>
  value !== undefined && !["", "0", "false", "no"].includes(value.toLowerCase());

/**
 * A model's folder, or a single file as a router is: `text` itself where it is there, else the name of a model on a hub
 * (`JsST/Med-MoE/stage3`, `owner/model/router.pth@revision`), whose files are then in the cache. Rejects with OptionError
 * for what is neither; with FileError where it cannot be had.
 */
export async function findModel(
  text: string,
  options: ModelOptions = {},
  env: Environment = process.env,
): Promise<FoundModel> {
  return located(text, options, env, async ({ source, files, folder, name, root }) => {
    await fetchAll(source, files, folder, options.onProgress);
    await write(listing(folder, name), JSON.stringify(files, null, 2));
    await write(referenceOf(root, name), source.commit);
  });
}

/** What a name on a hub stands for. */
export interface Listed {
  readonly name: HubName;
  readonly source: Source;
  /** All that is read of it. */
  readonly files: readonly HubFile[];
  /** Of the hub in the cache, and of the commit in that. */
  readonly root: string;
  readonly folder: string;
}

/** Where `text` is on this machine, or will be when `get` has got what it needs of the hub's files. */
export async function located(
  text: string,
  options: ModelOptions,
  env: Environment,
  get: (listed: Listed) => Promise<void>,
): Promise<FoundModel> {
  if (await stat(text).catch(() => null)) return { path: text, name: text };
  const name = parseHubName(text);
  if (name === null)
    throw new OptionError(
      `${text}: there is no such folder or file, and it is no name on a hub, as owner/model, owner/model/folder or ` +
        "owner/model/folder@revision are.",
    );
  await refuseTypo(text, name);
  const { offline = isSet(env.HF_HUB_OFFLINE) } = options;
  const root = join(cacheFolder(env), ...name.model.split("/"));
  const isCommit = COMMIT.test(name.revision);
  // A commit never changes: what is here of it is asked for nowhere.
  const here = offline || isCommit ? await cached(name, root) : null;
  if (here instanceof FileError && offline) throw here;
  const commit = here === null || here instanceof FileError ? await listed(text, name, root, options, env, get) : here;
  const path = join(root, commit, name.path);
  return { path, name: `${name.model}${name.path && `/${name.path}`}@${commit}` };
}

const COMMIT = /^[0-9a-f]{40}$/;

/** `runs/instrct` is a name on a hub by its form: where a folder `runs` is here, it was meant as a path. */
async function refuseTypo(text: string, { model }: HubName): Promise<void> {
  const [owner] = model.split("/");
  if (text.includes("@") || !(await stat(owner).catch(() => null))) return;
  throw new FileError(
    text,
    `there is no such folder or file in ${owner}, which is here. Check the path; for the model of a hub, name its revision, too: ${text}@main`,
    { notFound: true },
  );
}

/** Has `get` get the files that a name stands for. Returns the commit that they are of. */
async function listed(
  text: string,
  name: HubName,
  root: string,
  { signal }: ModelOptions,
  env: Environment,
  get: (listed: Listed) => Promise<void>,
): Promise<string> {
  const host = (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const hub: Hub = { host, signal, ...(env.HF_TOKEN && { token: env.HF_TOKEN }) };
  const commit = await commitOf(hub, name.model, name.revision).catch((cause) => {
    if (!(cause instanceof FileError)) throw cause;
    throw new FileError(text, `there is no such folder or file, and as a name on a hub: ${cause.message}`, { cause });
  });
  const source = { hub, model: name.model, commit };
  await get({ name, source, files: await chosen(hub, name, commit), root, folder: join(root, commit) });
  return commit;
}

/** Says which commit a branch or tag was, when it was last asked for. */
const referenceOf = (root: string, { revision }: HubName) => join(root, "refs", revision);

const write = (path: string, text: string) => platform.writeFile(path, [new TextEncoder().encode(text)]);

/** What was fetched under a name, beside the commit's folder: a name of its own for each path, and one for the whole model. */
const listing = (folder: string, { path }: HubName) => `${folder}${path && `.${encodeURIComponent(path)}`}.json`;

const listedFiles = z.array(
  z.object({
    path: z.string().refine(isSafePath),
    size: z.int().nonnegative(),
    hash: z.object({ kind: z.enum(["sha256", "git"]), hex: z.string() }),
  }),
);

/** The files of a listing in the cache; null where it is not what was written there. */
function filesIn(text: string): readonly HubFile[] | null {
  try {
    return listedFiles.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Where a model has its vision tower beside it. */
const TOWER = "vision_tower";

/** Those right in a folder that are read. */
function wantedIn(files: readonly HubFile[], folder: string): HubFile[] {
  const direct = files.filter(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) === folder);
  const names = new Set(wanted(direct.map(({ path }) => basename(path))));
  return direct.filter(({ path }) => names.has(basename(path)));
}

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
  const files = wantedIn(below, folder);
  if (files.some((file) => basename(file.path) === "config.json"))
    return [...files, ...wantedIn(below, folder ? `${folder}/${TOWER}` : TOWER)];
  const folders = [
    ...new Set(below.flatMap(({ path }) => (/(.*)\/config\.json$/.exec(path) ? [path.slice(0, -12)] : []))),
  ];
  const advice =
    folders.length > 0 ? `Models are in ${folders.map((folder) => `${model}/${folder}`).join(", ")}` : "Check its name";
  throw new FileError(`${model}${path && `/${path}`}`, `it holds no model (no config.json). ${advice}`);
}

export async function fetchAll(
  source: Source,
  files: readonly HubFile[],
  folder: string,
  onProgress: ModelOptions["onProgress"] = () => {},
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
    const there = await isWhole(join(folder, file.path), file);
    if (!there) missing.push(file);
    tell(file.path, there ? file.size : await sizeOf(partOf(join(folder, file.path))));
  }
  for (const file of missing) {
    const { hub, model, commit } = source;
    const remote = { ...file, url: fileUrl(hub, model, commit, file.path) };
    await download(hub, remote, join(folder, file.path), (bytes) => tell(file.path, bytes));
    tell(file.path, file.size);
  }
}

/** The commit whose files are all in the cache; what is missing, as an error to throw. */
async function cached(name: HubName, root: string): Promise<string | FileError> {
  const { model, path, revision } = name;
  const said = COMMIT.test(revision) ? revision : await readFile(referenceOf(root, name), "utf8").catch(() => null);
  const commit = said !== null && COMMIT.test(said) ? said : null;
  const folder = join(root, commit ?? "none");
  const list = commit === null ? null : await readFile(listing(folder, name), "utf8").catch(() => null);
  if (commit === null || list === null)
    return new FileError(
      `${model}${path && `/${path}`}@${revision}`,
      `there is no such folder or file, and of a hub it is not in the cache (${root}). Fetch it once without --offline`,
      { notFound: true },
    );
  const files = filesIn(list);
  if (files === null)
    return new FileError(listing(folder, name), "it is damaged. Fetch the model again without --offline");
  for (const file of files)
    if (!(await isWhole(join(folder, file.path), file)))
      return new FileError(
        join(folder, file.path),
        "it is missing in the cache or has another size. Fetch it again without --offline",
      );
  return commit;
}
