/** What a hub says of a model: requests, and errors that name what to do. */
import { FileError } from "../../bindings/platform/file-error.js";
import { requireSafePath } from "./name.js";

/** Whom files are asked of. */
export interface Origin {
  /** In errors; default: hub. */
  readonly who?: string;
  /** For what asks for one. */
  readonly token?: string;
  readonly signal?: AbortSignal;
}

/** A hub, by its host: another one, or a mirror, is named by HF_ENDPOINT. */
export interface Hub extends Origin {
  /** `https://huggingface.co`. */
  readonly host: string;
  /** Which of its repositories; default: models. */
  readonly repositories?: "models" | "datasets";
}

/** A commit of a repository of a hub. */
export interface Source {
  readonly hub: Hub;
  readonly model: string;
  readonly commit: string;
}

/** A file as a hub lists it. */
export interface HubFile {
  /** From the model's folder on. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What its content has to be: SHA-256 of large files, for others git's SHA-1, of `blob SIZE\0` and the content. */
  readonly hash: { readonly kind: "sha256" | "git"; readonly hex: string };
}

/** Without an answer for that long, in milliseconds, a request is given up. */
export const PATIENCE = 60_000;

const encoded = (path: string) => path.split("/").map(encodeURIComponent).join("/");

export const fileUrl = ({ host, repositories }: Hub, model: string, commit: string, path: string): string =>
  `${host}/${repositories === "datasets" ? "datasets/" : ""}${model}/resolve/${commit}/${encoded(path)}`;

const apiUrl = ({ host, repositories = "models" }: Hub, model: string): string =>
  `${host}/api/${repositories}/${model}`;

/** A response that is what was asked for. Throws FileError that says why not. */
export async function request(origin: Origin, url: string, headers: Record<string, string> = {}): Promise<Response> {
  const { token, signal, who = "hub" } = origin;
  let response: Response;
  // Until the answer begins; how long its body may take is another matter.
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), PATIENCE);
  try {
    response = await fetch(url, {
      // Ranges and lengths are those of the file, not of a compressed answer. A redirect to another host drops the token.
      headers: { "accept-encoding": "identity", ...headers, ...(token && { authorization: `Bearer ${token}` }) },
      signal: AbortSignal.any([waiting.signal, ...(signal ? [signal] : [])]),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    if (/redirect count/.test(String((cause as Error).cause)))
      throw new FileError(url, `the ${who} sends in circles, from one address to the next`, { cause });
    const what = waiting.signal.aborted ? `it did not answer in ${PATIENCE / 1000} s` : "it cannot be reached";
    const advice = "Check the network, HF_ENDPOINT and proxies, or work with what is there already (--offline)";
    throw new FileError(url, `${what}. ${advice}`, { cause });
  } finally {
    clearTimeout(timer);
  }
  const fault = faultOf(response, who);
  if (fault === null) return response;
  await response.body?.cancel();
  throw new FileError(url, fault, { notFound: response.status === 404 });
}

function faultOf({ ok, status, statusText, headers }: Response, who: string): string | null {
  if (status === 404) return `the ${who} has no such model, revision or file (404). Check its name`;
  if (status === 401 || status === 403)
    return `the ${who} does not give it out (${status}). Check the name; where the model asks for consent, give it there and set HF_TOKEN`;
  if (status === 429) return `the ${who} asks to wait (429). Try again later`;
  if (!ok) return `the ${who} answers ${status} ${statusText}`.trim();
  if (/^text\/html\b/i.test(headers.get("content-type") ?? ""))
    return "the answer is an HTML page, not the file: a proxy or a sign-in page, or HF_ENDPOINT is no hub";
  return null;
}

export async function json(origin: Origin, url: string): Promise<{ value: unknown; next: string | null }> {
  const response = await request(origin, url);
  const [, next] = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "") ?? [];
  try {
    return { value: await response.json(), next: next === undefined ? null : new URL(next, url).href };
  } catch (cause) {
    throw new FileError(url, "the answer is no JSON: HF_ENDPOINT is no hub, or the transfer broke off", { cause });
  }
}

/** The commit that a revision is now. */
export async function commitOf(hub: Hub, model: string, revision: string): Promise<string> {
  const url = `${apiUrl(hub, model)}/revision/${encodeURIComponent(revision)}`;
  const { value } = await json(hub, url);
  const { sha } = (value ?? {}) as { sha?: unknown };
  if (typeof sha === "string" && /^[0-9a-f]{40}$/.test(sha)) return sha;
  throw new FileError(url, "the answer names no commit: HF_ENDPOINT is no hub");
}

/** Every file of a commit below a folder. */
export async function filesOf(hub: Hub, model: string, commit: string, folder: string): Promise<HubFile[]> {
  const files: HubFile[] = [];
  const start = `${apiUrl(hub, model)}/tree/${commit}${folder && `/${encoded(folder)}`}?recursive=true`;
  for (let url: string | null = start; url !== null; ) {
    const { value, next }: { value: unknown; next: string | null } = await json(hub, url);
    if (!Array.isArray(value)) throw new FileError(url, "the answer is no list of files: HF_ENDPOINT is no hub");
    for (const entry of value) if (entry?.type === "file") files.push(fileOf(entry, model, url));
    if (next !== null && new URL(next).origin !== new URL(hub.host).origin)
      throw new FileError(url, "its list of files goes on at another host");
    url = next;
  }
  return files;
}

function fileOf(entry: Record<string, unknown>, model: string, url: string): HubFile {
  const { path, size, oid } = entry;
  const { oid: sha256 } = (entry.lfs ?? {}) as { oid?: unknown };
  const hash =
    typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)
      ? ({ kind: "sha256", hex: sha256 } as const)
      : typeof oid === "string" && /^[0-9a-f]{40}$/.test(oid) && entry.lfs === undefined
        ? ({ kind: "git", hex: oid } as const)
        : null;
  if (typeof path !== "string" || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || hash === null)
    throw new FileError(url, `it lists a file without name, size or hash: ${JSON.stringify(entry).slice(0, 100)}`);
  requireSafePath(path, model);
  return { path, size, hash };
}
