/** Damaged files give a FileFormatError or a sound result: never another error, a hang, or memory beyond the file. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { writable } from "../../engine/io/convert.js";
import { FileFormatError } from "../../engine/io/errors.js";
import { openPytorch } from "../../engine/io/pytorch.js";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { safetensorsChunks } from "../../engine/io/safetensors-writer.js";
import { elementCount, STORED_BYTES, type StoredTensor } from "../../engine/io/stored-tensor.js";
import { isTensor } from "../../engine/io/torch-globals.js";
import { collect } from "./support/collect.js";
import { damages, mutate } from "./support/mutate.js";
import { type SpySource, spySource } from "./support/spy-source.js";
import { storage, storageId, tensor, torchZip } from "./support/torch-file.js";

/** Expanded tensors may be larger than the file, up to a limit that strided-tensor.ts sets for all of them together. */
const MAX_EXPANDED_BYTES = 2 ** 25;
const RUNS = 1500;

const files: Record<string, Uint8Array> = {};
beforeAll(async () => {
  const tensors = Array.from({ length: 6 }, (_, i) => writable(`layer.${i}`, [2, i], new Float32Array(2 * i), "BF16"));
  files.safetensors = await collect(safetensorsChunks("base", tensors, { metadata: { format: "pt" } }));
  for (const name of ["stored-protocol-2", "deflated-protocol-4", "zip64-protocol-5", "legacy"]) {
    files[name] = readFileSync(`test/io/fixtures/${name}.pth`);
  }
  const values = storage("0", "FloatStorage", new Float32Array(24));
  const tree = new Map([["w", tensor(storageId(values), 2, [2, 3], [1, 4])]]);
  files.zip64 = torchZip(tree, [values], { zip64: true, comment: "c", padding: 5 });
});

/** Opens the file and gives all its tensors, however deep they lie. */
async function tensorsIn(source: SpySource, name: string): Promise<StoredTensor[]> {
  if (name === "safetensors") {
    const reader = await openSafetensors(source);
    return reader.names.map(reader.get);
  }
  const found: StoredTensor[] = [];
  const walk = (value: unknown) => {
    if (isTensor(value)) found.push(value);
    else if (value instanceof Map) for (const pair of value) pair.forEach(walk);
    else if (Array.isArray(value)) value.forEach(walk);
  };
  walk((await openPytorch(source)).tree);
  return found;
}

async function readAll(source: SpySource, name: string): Promise<"sound" | "refused"> {
  try {
    let expanded = 0;
    for (const stored of await tensorsIn(source, name)) {
      expect(stored.byteLength).toBe(elementCount(stored.shape) * STORED_BYTES[stored.dtype]);
      if (stored.byteLength > source.size) expanded += stored.byteLength;
      expect(expanded).toBeLessThanOrEqual(MAX_EXPANDED_BYTES);
      if (stored.byteLength < 2 ** 20) expect((await stored.read()).length).toBe(stored.byteLength);
    }
    return "sound";
  } catch (error) {
    if (error instanceof FileFormatError) return "refused";
    throw error;
  }
}

const names = ["safetensors", "stored-protocol-2", "deflated-protocol-4", "zip64-protocol-5", "zip64", "legacy"];

test.each(names)("%s: random damage", async (name) => {
  const outcomes = { sound: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(damages, async (list) => {
      const source = spySource(mutate(files[name], list));
      outcomes[await readAll(source, name)]++;
      expect(source.seen.largest).toBeLessThanOrEqual(source.size);
    }),
    { numRuns: RUNS },
  );
  // Damage that is always refused, or never, would test one path only.
  expect(outcomes.refused).toBeGreaterThan(RUNS / 10);
  expect(outcomes.sound).toBeGreaterThan(0);
});

test.each(names)("%s: cut anywhere, it is refused", async (name) => {
  // The end of the legacy format is the last value; that of the others is known from their headers.
  for (let length = 0; length < files[name].length; length++) {
    expect([length, await readAll(spySource(files[name].slice(0, length)), name)]).toEqual([length, "refused"]);
  }
});

test.each(names)("%s: one bit flipped in each byte", async (name) => {
  const outcomes = { sound: 0, refused: 0 };
  for (let at = 0; at < files[name].length; at++) {
    const bytes = new Uint8Array(files[name]);
    bytes[at] ^= 1 << ((at * 5) % 8);
    outcomes[await readAll(spySource(bytes), name)]++;
  }
  expect(Math.min(outcomes.sound, outcomes.refused)).toBeGreaterThan(0);
});
