/** A shard of a table of images, as hubs keep them (columns image, question, answer), into image files and JSON lines. */
import { createHash } from "node:crypto";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { onFile } from "../../bindings/platform/node-file-error.js";
import { sizeOf } from "../hub/download.js";
import { checkMetadata } from "./parquet-metadata.js";
import { unsound } from "./unsound.js";

/** Rows that are decoded at a time. */
const ROWS = 256;

/** Where the rows of each shard are until all are there. */
const SHARDS = "shards";

/**
 * Images, each once, into `images/`, named by their content; rows into a file for the shard, from which `joinShards` makes the tables.
 * Returns the files it became, and their bytes. Rejects with FileError.
 */
export async function unpackParquet(
  archive: string,
  folder: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Record<string, number>> {
  // Loaded with the first such file: few data sets have any.
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const handle = await onFile(archive, open(archive));
  try {
    const byteLength = await sizeOf(archive);
    const file = {
      byteLength,
      async slice(start: number, end = byteLength): Promise<ArrayBuffer> {
        const bytes = new Uint8Array(Math.max(end - start, 0));
        await handle.read(bytes, 0, bytes.length, start);
        return bytes.buffer;
      },
    };
    const metadata = await parquetMetadataAsync(file);
    checkMetadata(metadata, parquetSchema(metadata), byteLength);
    const total = Number(metadata.num_rows);
    const shard = basename(archive).replace(/\.parquet$/, "");
    const lines: string[] = [];
    const files: Record<string, number> = {};
    for (let rowStart = 0; rowStart < total; rowStart += ROWS) {
      signal?.throwIfAborted();
      const rowEnd = Math.min(rowStart + ROWS, total);
      // Bytes of images are no text.
      const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, utf8: false });
      for (const [i, row] of rows.entries())
        lines.push(await lineOf(row, `${shard}-${rowStart + i}`, folder, archive, files));
    }
    const bytes = new TextEncoder().encode(lines.join(""));
    const name = `${SHARDS}/${shard}.jsonl`;
    await platform.writeFile(join(folder, name), [bytes]);
    return { ...files, [name]: bytes.length };
  } catch (cause) {
    signal?.throwIfAborted();
    throw unsound(archive, "Parquet file", cause);
  } finally {
    await handle.close();
  }
}

/** Writes the image of a row, too, and tells `files` of it. */
async function lineOf(
  row: Record<string, unknown>,
  id: string,
  folder: string,
  archive: string,
  files: Record<string, number>,
): Promise<string> {
  const { image, question, answer } = row;
  const { bytes } = (image ?? {}) as { bytes?: unknown };
  if (!(bytes instanceof Uint8Array) || typeof question !== "string" || typeof answer !== "string")
    throw new FileError(
      archive,
      `row ${id} has no image with a question and an answer: the data set has changed its form`,
    );
  const name = `images/${createHash("sha256").update(bytes).digest("hex").slice(0, 24)}.${kindOf(bytes)}`;
  const path = join(folder, name);
  // Named by its content: one of another size was damaged.
  if ((await sizeOf(path)) !== bytes.length) await platform.writeFile(path, [bytes]);
  files[name] = bytes.length;
  return `${JSON.stringify({ image: name, question, answer, id })}\n`;
}

const kindOf = (bytes: Uint8Array) => (bytes[0] === 0x89 && bytes[1] === 0x50 ? "png" : "jpg");

const TABLES: Readonly<Record<string, string>> = { train: "train", validation: "val", test: "test" };

/** A table that was made of shards. */
export interface Joined {
  readonly table: string;
  readonly bytes: number;
  /** Shards of it, as `unpackParquet` names them. */
  readonly shards: readonly string[];
}

/** Tables of all shards that were unpacked: train.jsonl, val.jsonl and test.jsonl. Nothing where there are none. */
export async function joinShards(folder: string): Promise<Joined[]> {
  const names = (await readdir(join(folder, SHARDS)).catch(() => [] as string[])).filter((name) =>
    name.endsWith(".jsonl"),
  );
  const joined: Joined[] = [];
  for (const [part, name] of Object.entries(TABLES)) {
    const shards = names
      .filter((name) => name.startsWith(`${part}-`))
      .sort()
      .map((name) => `${SHARDS}/${name}`);
    if (shards.length === 0) continue;
    async function* texts() {
      for (const shard of shards) yield new Uint8Array(await readFile(join(folder, shard)));
    }
    const table = `${name}.jsonl`;
    await platform.writeFile(join(folder, table), texts());
    joined.push({ table, bytes: await sizeOf(join(folder, table)), shards });
  }
  return joined;
}

export const removeShards = (folder: string) => rm(join(folder, SHARDS), { recursive: true, force: true });
