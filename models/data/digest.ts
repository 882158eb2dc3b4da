import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { imageFiles } from "../images/load-image.js";
import type { Conversation } from "./conversation-form.js";

/** SHA-256 of bytes, hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Files at a time. */
const AT_ONCE = 8;

/** Which images are the same picture: two paths with one identity have the same bytes. */
export type ImageIdentity = (image: string) => string;

/**
 * Compares image files by content, a folder of a series by that of all its files. Only images of the same size are read: others cannot
 * be the same. One that is not there is itself; throws FileError for one that is and cannot be read.
 */
export async function imageIdentity(images: Iterable<string>, signal?: AbortSignal): Promise<ImageIdentity> {
  const paths = [...new Set(images)].sort();
  const sizes = new Map<string, number>();
  await each(paths, signal, async (path) => {
    const size = await sizeOf(path);
    if (size !== null) sizes.set(path, size);
  });
  const shared = new Map<number, number>();
  for (const size of sizes.values()) shared.set(size, (shared.get(size) ?? 0) + 1);
  const alike = paths.filter((path) => (shared.get(sizes.get(path) ?? -1) ?? 0) > 1);
  const contents = new Map<string, string>();
  await each(alike, signal, async (path) => {
    const hashes: string[] = [];
    for (const file of await imageFiles(path)) hashes.push(await hashOfFile(file));
    // Frames of one file are pictures of their own.
    const frame = /#\d+$/.exec(path)?.[0] ?? "";
    contents.set(
      path,
      hashes.length === 1 ? hashes[0] + frame : (await sha256(new TextEncoder().encode(hashes.join()))) + frame,
    );
  });
  // The first path, in the order of names, stands for all with its content.
  const first = new Map<string, string>();
  for (const path of [...contents.keys()].sort())
    if (!first.has(contents.get(path) as string)) first.set(contents.get(path) as string, path);
  return (image) => first.get(contents.get(image) ?? "") ?? image;
}

/** SHA-256 of a file. */
export async function hashOfFile(path: string): Promise<string> {
  const file = await platform.openFile(path);
  try {
    return await sha256(await file.read(0, file.size));
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    let size = 0;
    for (const name of await imageFiles(path)) {
      const file = await platform.openFile(name);
      await file.close();
      size += file.size;
    }
    return size;
  } catch (error) {
    if (error instanceof FileError && error.notFound) return null;
    throw error;
  }
}

/**
 * SHA-256 of which rows show the same picture, whatever the names of the files: all that the bytes of the images decide
 * of a split. `images`: that of each row.
 */
export async function picturesDigest(images: readonly string[], identity: ImageIdentity): Promise<string> {
  const first = new Map<string, number>();
  const rows = images.map((image, row) => {
    const picture = identity(image);
    const before = first.get(picture);
    if (before === undefined) first.set(picture, row);
    return before ?? row;
  });
  return sha256(new TextEncoder().encode(rows.join(" ")));
}

/** Conversations that are hashed together: all of a large data set as one text are more than a string may have. */
const HASHED = 1000;

/** SHA-256 of what a run reads of conversations: their places, images by name, texts and modalities, in order. */
export async function conversationsDigest(conversations: readonly Conversation[]): Promise<string> {
  const hashOf = (value: unknown) => sha256(new TextEncoder().encode(JSON.stringify(value)));
  const parts: string[] = [];
  for (let start = 0; start < conversations.length; start += HASHED) {
    const some = conversations.slice(start, start + HASHED);
    parts.push(await hashOf(some.map(({ place, images, messages, modality }) => [place, images, messages, modality])));
  }
  return hashOf(parts);
}

/** Runs `work` on every item, some at a time. */
export async function each<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      signal?.throwIfAborted();
      await work(items[next++]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
