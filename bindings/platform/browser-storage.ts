/** The origin private file system: files that a browser keeps for pages of one origin, until the user clears them. */
import { FileError } from "./file-error.js";
import { checkRange } from "./file-range.js";
import type { FileSource } from "./files.js";

export const SCHEME = "opfs:";

const REASONS: Readonly<Record<string, string>> = {
  NotFoundError: "there is no such file in the page's storage",
  TypeMismatchError: "a part of its path is a file where a folder should be, or it is a folder itself",
  QuotaExceededError: "the browser gives this page no more room. Remove what is old and try again",
  NoModificationAllowedError: "another tab or worker is writing it",
  SecurityError: "the browser gives this page no storage (a private window, or storage is blocked)",
};

function fileError(path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const { name = "", message = String(cause) } = cause as Error;
  return new FileError(path, REASONS[name] ?? message, { cause, notFound: name === "NotFoundError" });
}

async function fileAt(path: string, create: boolean): Promise<FileSystemFileHandle> {
  const names = path.slice(SCHEME.length).split("/").filter(Boolean);
  const file = names.pop();
  if (file === undefined) throw new FileError(path, `it names no file: write ${SCHEME}FOLDER/FILE`);
  let folder = await navigator.storage.getDirectory();
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create });
  return folder.getFileHandle(file, { create });
}

const open = async (path: string): Promise<File> => {
  try {
    return await (await fileAt(path, false)).getFile();
  } catch (cause) {
    throw fileError(path, cause);
  }
};

export async function openFile(path: string): Promise<FileSource> {
  const file = await open(path);
  return {
    name: path,
    size: file.size,
    async read(offset, length) {
      checkRange(path, file.size, offset, length);
      try {
        return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw new FileError(path, "the file changed while it was read: try again", { cause });
      }
    },
    close: async () => {},
  };
}

export const readText = async (path: string): Promise<string> => (await open(path)).text();

export const exists = (path: string): Promise<boolean> =>
  open(path).then(
    () => true,
    () => false,
  );

/** What was there before stays until all of the new is written. */
export const writeFile = (path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> =>
  writing(path, { keepExistingData: false }, async (file) => {
    for await (const chunk of chunks)
      await file.write(chunk as Uint8Array<ArrayBuffer>).catch((cause) => Promise.reject(fileError(path, cause)));
  });

export const writeEnd = (path: string, offset: number, bytes: Uint8Array): Promise<void> =>
  writing(path, { keepExistingData: true }, (file) =>
    file
      .truncate(offset)
      .then(() => file.write({ type: "write", position: offset, data: bytes as Uint8Array<ArrayBuffer> }))
      .catch((cause) => Promise.reject(fileError(path, cause))),
  );

async function writing(
  path: string,
  options: FileSystemCreateWritableOptions,
  write: (file: FileSystemWritableFileStream) => Promise<void>,
): Promise<void> {
  const told = (cause: unknown) => Promise.reject(fileError(path, cause));
  const file = await fileAt(path, true)
    .then((handle) => handle.createWritable(options))
    .catch(told);
  try {
    await write(file);
    await file.close().catch(told);
  } catch (error) {
    // Not written after all; a stream that failed by itself is closed already.
    await file.abort().catch(() => {});
    throw error;
  }
}
