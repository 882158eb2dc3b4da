/** Which files a source has, with their sizes and hashes as far as its host tells them. */
import { z } from "zod";
import { FileError } from "../../bindings/platform/file-error.js";
import type { RemoteFile } from "../hub/download.js";
import { commitOf, filesOf, fileUrl, type Hub, json, type Origin } from "../hub/hub.js";
import { isSafePath } from "../hub/name.js";
import type { DataSource, Files, Repository } from "./sources.js";

/** A file to fetch, and where it goes. */
export interface ListedFile extends RemoteFile {
  /** In the folder of the data set. */
  readonly path: string;
}

export interface Listing {
  /** Of a repository; the same is asked for when the data set is fetched again. */
  readonly commit: string | null;
  readonly files: readonly ListedFile[];
}

/** Hosts other than the usual, as mirrors are. */
export interface Hosts {
  readonly hub: string;
  readonly githubApi: string;
  readonly githubFiles: string;
}

export const hostsOf = (env: Readonly<Record<string, string | undefined>> = process.env): Hosts => ({
  hub: (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
  githubApi: (env.CONSILIUM_GITHUB_API || "https://api.github.com").replace(/\/+$/, ""),
  githubFiles: (env.CONSILIUM_GITHUB_FILES || "https://raw.githubusercontent.com").replace(/\/+$/, ""),
});

/** `commit`: that of an earlier time, where there was one. Rejects with FileError. */
export async function listFiles(
  { from }: DataSource,
  hosts: Hosts,
  origin: Origin,
  commit: string | null,
): Promise<Listing> {
  if (from.kind === "urls") return { commit: null, files: urlFiles(from) };
  const listing = await (from.kind === "hub" ? ofHub : ofGithub)(from, hosts, origin, commit);
  if (listing.files.length === 0)
    throw new FileError(
      `${from.name}@${listing.commit}`,
      "none of the files of the data set is there: it has changed its form",
    );
  return listing;
}

const urlFiles = ({ base, files }: Files): ListedFile[] =>
  files.map((path) => ({ path, url: new URL(path, base).href, size: null, hash: null }));

type OfRepository = (repository: Repository, hosts: Hosts, origin: Origin, commit: string | null) => Promise<Listing>;

const ofHub: OfRepository = async ({ name, revision, files }, { hub: host }, origin, known) => {
  const hub: Hub = { ...origin, host, repositories: "datasets" };
  const commit = known ?? (await commitOf(hub, name, revision));
  const listed = (await filesOf(hub, name, commit, "")).flatMap((file) => {
    const path = files.exec(file.path)?.[1];
    return path ? [{ ...file, path, url: fileUrl(hub, name, commit, file.path) }] : [];
  });
  return { commit, files: listed };
};

const Tree = z.object({
  truncated: z.boolean().optional(),
  tree: z.array(
    z.object({
      path: z.string(),
      type: z.string(),
      size: z.int().nonnegative().optional(),
      sha: z.string().regex(/^[0-9a-f]{40}$/),
    }),
  ),
});

/** Git's own hashes of a commit that is named: what comes is what was looked at then. */
const ofGithub: OfRepository = async ({ name, revision, files }, { githubApi, githubFiles }, origin) => {
  const url = `${githubApi}/repos/${name}/git/trees/${revision}?recursive=1`;
  const { value } = await json(origin, url);
  const tree = Tree.safeParse(value);
  if (!tree.success || tree.data.truncated) throw new FileError(url, "the answer is no whole list of files");
  const listed = tree.data.tree.flatMap(({ path: full, type, size, sha }): ListedFile[] => {
    const path = files.exec(full)?.[1];
    if (type !== "blob" || size === undefined || path === undefined || !isSafePath(path)) return [];
    const at = full.split("/").map(encodeURIComponent).join("/");
    return [{ path, url: `${githubFiles}/${name}/${revision}/${at}`, size, hash: { kind: "git", hex: sha } }];
  });
  return { commit: revision, files: listed };
};
