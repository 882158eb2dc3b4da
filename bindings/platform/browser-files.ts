/** Files of a page: those of servers by their URL, and its own, `opfs:runs/first/config.json`, which it may write. */
import * as downloads from "./browser-downloads.js";
import * as storage from "./browser-storage.js";
import { FileError } from "./file-error.js";
import type { Platform } from "./platform.js";

const homeOf = (path: string) => (path.startsWith(storage.SCHEME) ? storage : downloads);

export const openFile: Platform["openFile"] = (path) => homeOf(path).openFile(path);
export const readText: Platform["readText"] = (path) => homeOf(path).readText(path);
export const absolute: Platform["absolute"] = (path) =>
  path.startsWith(storage.SCHEME) ? path : downloads.absolute(path);
export const exists: Platform["exists"] = (path) => homeOf(path).exists(path);

export const writeFile: Platform["writeFile"] = async (path, chunks) => storage.writeFile(inStorage(path), chunks);
export const writeEnd: Platform["writeEnd"] = async (path, offset, bytes) =>
  storage.writeEnd(inStorage(path), offset, bytes);

function inStorage(path: string): string {
  if (path.startsWith(storage.SCHEME)) return path;
  throw new FileError(
    path,
    `a page cannot write to a server. Give it a name in the page's own storage, ${storage.SCHEME}NAME, or offer the ` +
      "bytes as a download (new Blob(chunks))",
  );
}
