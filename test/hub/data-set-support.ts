import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { LOCK_FILE } from "../../apps/data/lock-file.js";

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
export const text = (value: string) => new Uint8Array(Buffer.from(value));
/** A file that is no text, of 200,000 bytes. */
export const noise = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * i * 31) % 251));

/** For each test of the file: a folder of its own, and in it one, not there yet, for a data set. */
export function dataSetFolder() {
  const place = {
    scratch: "",
    folder: "",
    locked: () => JSON.parse(readFileSync(join(place.folder, LOCK_FILE), "utf8")),
  };
  beforeEach(() => {
    place.scratch = mkdtempSync(join(tmpdir(), "consilium-fetch-"));
    place.folder = join(place.scratch, "data");
  });
  afterEach(() => rmSync(place.scratch, { recursive: true }));
  return place;
}
