/** What archives of a data set became: files that the lock names, so that it is seen when one of them is gone. */
import { rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { onFile } from "../../bindings/platform/node-file-error.js";
import type { KeptLock, Lock } from "./lock-file.js";
import { joinShards, removeShards, unpackParquet } from "./unpack-parquet.js";
import { unzip } from "./unzip.js";

export interface UnpackOptions {
  readonly signal?: AbortSignal;
  onNote?(text: string): void;
}

/** Archives become files, tables of images become images and rows; what was unpacked is removed. */
export async function unpackAll(
  folder: string,
  paths: readonly string[],
  kept: KeptLock,
  { signal, onNote }: UnpackOptions,
): Promise<void> {
  for (const path of paths) {
    const entry = kept.files[path];
    if (!entry || entry.unpacked !== undefined) continue;
    const at = join(folder, path);
    const unpack = path.endsWith(".zip") ? unzip : path.endsWith(".parquet") ? unpackParquet : null;
    if (!unpack) continue;
    onNote?.(`unpacking ${basename(path)}`);
    const unpacked = await unpack(at, folder, { signal });
    await kept.keep(path, { ...entry, unpacked });
    await onFile(at, rm(at));
  }
  // The lock names the tables before the shards go: what is stopped between is there by either.
  for (const { table, bytes, shards } of await joinShards(folder))
    for (const [path, entry] of Object.entries(kept.files)) {
      const shard = shards.find((name) => entry.unpacked?.[name] !== undefined);
      if (shard === undefined) continue;
      const { [shard]: _, ...images } = entry.unpacked ?? {};
      await kept.keep(path, { ...entry, unpacked: { ...images, [table]: bytes } });
    }
  await removeShards(folder);
}

/**
 * Takes archives out of the lock as unpacked where a file of them is gone or has another size: they are fetched again. A table is made of
 * all its shards: with one of them the others come again, too.
 */
export async function forgetLost(folder: string, kept: KeptLock): Promise<void> {
  const lost = new Set<string>();
  const tables = new Set<string>();
  const unpacked = Object.entries(kept.files).map(
    ([path, entry]) => [path, Object.keys(entry.unpacked ?? {})] as const,
  );
  for (const [path, names] of unpacked) {
    if (await isThere(folder, kept.files[path])) continue;
    lost.add(path);
    for (const name of names) if (name.endsWith(".jsonl")) tables.add(name);
  }
  for (const [path, names] of unpacked) if (names.some((name) => tables.has(name))) lost.add(path);
  for (const path of lost) await kept.keep(path, { ...kept.files[path], unpacked: undefined });
}

async function isThere(folder: string, { unpacked = {} }: Lock["files"][string]): Promise<boolean> {
  for (const [name, bytes] of Object.entries(unpacked)) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found?.size !== bytes) return false;
  }
  return true;
}
