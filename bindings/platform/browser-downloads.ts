/** Files by URL: whole where they are small or the server knows no ranges, else in the pieces that are asked for. */
import { FileError } from "./file-error.js";
import { checkRange } from "./file-range.js";
import type { Download, FileSource } from "./files.js";

/** Files up to this size come whole, in one request. */
const WHOLE = 64 << 20;
/** Smaller reads of larger files fetch this much, since the next read is mostly of what follows. */
const AHEAD = 1 << 20;

const listeners = new Set<(download: Download) => void>();

export function onDownload(listener: (download: Download) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

const tell = (download: Download) => {
  for (const listener of listeners) listener(download);
};

/** As the browser resolves it: a relative one from the page, in a worker from the worker's script. */
export const absolute = (path: string) => new URL(path, globalThis.location?.href).href;

async function request(path: string, range?: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, range ? { headers: { Range: `bytes=${range}` } } : {});
  } catch (cause) {
    throw new FileError(
      absolute(path),
      "it cannot be fetched: the server is not reached, or does not let this page read it (CORS)",
      { cause },
    );
  }
  const fault = faultOf(path, response);
  if (fault === null) return response;
  await response.body?.cancel();
  throw new FileError(absolute(path), fault, { notFound: isGone(response) });
}

const isGone = ({ status }: Response) => status === 404 || status === 410;

/** Why a response is not the file, in plain words; null where it is. */
function faultOf(path: string, response: Response): string | null {
  const { ok, status, statusText, headers } = response;
  if (isGone(response)) return `the server has no such file (${status})`;
  if (status === 401 || status === 403) return `the server does not give it out (${status})`;
  if (status === 416) return "the file is empty, or became shorter while it was read";
  if (!ok) return `the server answers ${status} ${statusText}`.trim();
  if (/^text\/html\b/i.test(headers.get("content-type") ?? "") && !/\.html?([?#]|$)/i.test(path))
    return "the server answers with an HTML page, as many do for any unknown path: check the path";
  return null;
}

/** The bytes of a response; listeners hear of them as they come. */
async function bytesOf(path: string, response: Response): Promise<Uint8Array> {
  const url = absolute(path);
  // The length of a compressed response is not that of the file.
  const length = response.headers.has("content-encoding") ? 0 : Number(response.headers.get("content-length") ?? 0);
  const total = length > 0 ? length : null;
  const pieces: Uint8Array[] = [];
  let loaded = 0;
  try {
    for (const reader = response.body?.getReader(); reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      loaded += value.length;
      tell({ url, loaded, total });
    }
  } catch (cause) {
    throw new FileError(url, `the download broke off after ${loaded} bytes: try again`, { cause });
  }
  tell({ url, loaded, total: loaded });
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Size of the whole file by a partial response; null where the server or CORS hides it. */
function totalSize(response: Response): number | null {
  const [, total] = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  return total === undefined ? null : Number(total);
}

export async function openFile(path: string): Promise<FileSource> {
  const response = await request(path, `0-${WHOLE - 1}`);
  if (response.status !== 206) return whole(path, await bytesOf(path, response));
  const size = totalSize(response);
  if (size !== null && size <= WHOLE) return whole(path, await bytesOf(path, response));
  await response.body?.cancel();
  return size === null ? whole(path, await bytesOf(path, await request(path))) : inPieces(path, size);
}

function whole(path: string, bytes: Uint8Array): FileSource {
  return {
    name: path,
    size: bytes.length,
    async read(offset, length) {
      checkRange(path, bytes.length, offset, length);
      return bytes.slice(offset, offset + length);
    },
    close: async () => {},
  };
}

function inPieces(path: string, size: number): FileSource {
  let ahead: Uint8Array = new Uint8Array(0);
  let start = 0;
  let loaded = 0;
  const fetchPiece = async (offset: number, length: number) => {
    const response = await request(path, `${offset}-${offset + length - 1}`);
    const bytes = response.status === 206 ? new Uint8Array(await response.arrayBuffer()) : null;
    if (bytes?.length !== length || totalSize(response) !== size)
      throw new FileError(absolute(path), "the file changed while it was read: try again");
    loaded += length;
    tell({ url: absolute(path), loaded: Math.min(loaded, size), total: size });
    return bytes;
  };
  return {
    name: path,
    size,
    async read(offset, length) {
      checkRange(path, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      if (length >= AHEAD) return fetchPiece(offset, length);
      if (offset < start || offset + length > start + ahead.length) {
        ahead = await fetchPiece(offset, Math.min(AHEAD, size - offset));
        start = offset;
      }
      return ahead.slice(offset - start, offset - start + length);
    },
    close: async () => {
      ahead = new Uint8Array(0);
    },
  };
}

export const readText = async (path: string): Promise<string> =>
  new TextDecoder().decode(await bytesOf(path, await request(path)));

/** One byte is asked for: some servers answer HEAD for none of their files. */
export const exists = (path: string): Promise<boolean> =>
  request(path, "0-0").then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );
