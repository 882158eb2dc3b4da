import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCheckpoint, parseIndex } from "../../engine/io/checkpoint.js";
import { readFloat32, writable } from "../../engine/io/convert.js";
import { writeSafetensors, writeShardedSafetensors } from "../../engine/io/safetensors-writer.js";
import { expectFormatError } from "./support/expect-error.js";
import { storage, storageId, tensor, torchLegacy, torchZip } from "./support/torch-file.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-io-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const tensors = Array.from({ length: 5 }, (_, i) => writable(`t${i}`, [10], new Float32Array(10).fill(i), "F32"));
const at = (name: string) => join(folder, name);

async function expectAll(path: string, format = "safetensors"): Promise<void> {
  await using reader = await openCheckpoint(path);
  expect(reader.format).toBe(format);
  expect([...reader.names].sort()).toEqual(tensors.map(({ name }) => name));
  for (const [i, { name }] of tensors.entries()) {
    expect(await readFloat32(reader.get(name))).toEqual(new Float32Array(10).fill(i));
  }
}

function torchFile(write: typeof torchZip | typeof torchLegacy, names: readonly string[]): Uint8Array {
  const storages = names.map((name) => storage(name, "FloatStorage", new Float32Array(10).fill(Number(name.slice(1)))));
  const tree = new Map(storages.map((s) => [s.key, tensor(storageId(s), 0, [10], [1])]));
  return write(tree, storages);
}

describe("layouts", () => {
  test("a safetensors file, whatever it is called, and a folder with it", async () => {
    await writeSafetensors(at("odd.name"), tensors);
    await expectAll(at("odd.name"));
    await writeSafetensors(at("model.safetensors"), tensors);
    await expectAll(folder);
  });

  test("shards: no file above the limit, found by folder and by index", async () => {
    const files = await writeShardedSafetensors(folder, tensors, { maxShardBytes: 80, metadata: { format: "pt" } });
    expect(files).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
      "model.safetensors.index.json",
    ]);
    expect(readdirSync(folder).sort()).toEqual(files);
    await expectAll(folder);
    await expectAll(at("model.safetensors.index.json"));
    const reader = await openCheckpoint(folder);
    expect(reader.metadata).toEqual({ format: "pt", total_size: "200" });
    await reader.close();
  });

  test("everything that fits into one shard is one file; a larger tensor has a shard of its own", async () => {
    expect(await writeShardedSafetensors(folder, tensors)).toEqual(["model.safetensors"]);
    await expectAll(folder);
    mkdirSync(at("b"));
    expect(await writeShardedSafetensors(at("b"), tensors, { maxShardBytes: 1 })).toHaveLength(6);
    await expectAll(at("b"));
  });

  test("an older checkpoint of another layout is not shadowed", async () => {
    await writeShardedSafetensors(folder, tensors);
    const again = () => writeShardedSafetensors(folder, tensors, { maxShardBytes: 80 });
    await expectFormatError(again, /model\.safetensors: the folder holds an older checkpoint/);
  });

  test.each([torchZip, torchLegacy])("a PyTorch file and folder: %o", async (write) => {
    const names = tensors.map(({ name }) => name);
    writeFileSync(at("pytorch_model.bin"), torchFile(write, names));
    await expectAll(at("pytorch_model.bin"), "pytorch");
    await expectAll(folder, "pytorch");
  });

  test("PyTorch shards", async () => {
    const shards = { "a.bin": ["t0", "t3"], "b.bin": ["t1", "t2", "t4"] };
    for (const [file, names] of Object.entries(shards)) writeFileSync(at(file), torchFile(torchZip, names));
    const map = Object.entries(shards).flatMap(([file, names]) => names.map((name) => [name, file]));
    const index = { metadata: { total_size: 200 }, weight_map: Object.fromEntries(map) };
    writeFileSync(at("pytorch_model.bin.index.json"), JSON.stringify(index));
    await expectAll(folder, "pytorch");
  });

  test("a PyTorch file becomes a safetensors file tensor by tensor", async () => {
    writeFileSync(
      at("m.pth"),
      torchFile(
        torchZip,
        tensors.map(({ name }) => name),
      ),
    );
    await using reader = await openCheckpoint(at("m.pth"));
    await writeSafetensors(at("m.safetensors"), reader.names.map(reader.get));
    await expectAll(at("m.safetensors"));
  });
});

describe("what is no checkpoint says what it is", () => {
  test.each<[string, string | Uint8Array, RegExp]>([
    ["lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0", /Git LFS pointer.*git lfs pull/],
    ["html", "<!DOCTYPE html><html>", /HTML or XML page.*download failed/],
    ["gguf", "GGUF\x03\0\0\0", /GGUF/],
    ["plain pickle", Uint8Array.of(0x80, 4, 0x4b, 1, 0x2e), /pickle that torch\.save did not write/],
    ["text", "hello world, this is text", /neither a safetensors nor a PyTorch file/],
    ["empty", "", /neither/],
  ])("%s", async (_, content, message) => {
    writeFileSync(at("file"), content);
    await expectFormatError(() => openCheckpoint(at("file")), message);
  });

  test("a missing file and a folder without a checkpoint name what is looked for", async () => {
    await expectFormatError(() => openCheckpoint(at("nothing")), /cannot be opened.*model\.safetensors\.index\.json/);
    await expectFormatError(() => openCheckpoint(folder), /cannot be opened.*pytorch_model\.bin/);
  });
});

describe("an index", () => {
  test.each([
    ['{"weight_map":{"a":"../secret"}}', /"a" is "\.\.\/secret", which is no name of a file beside/],
    ['{"weight_map":{"a":"/etc/passwd"}}', /no name of a file/],
    ['{"weight_map":{"a":".."}}', /no name of a file/],
    ['{"weight_map":{"a":"c:x"}}', /no name of a file/],
    ['{"weight_map":{"a":5}}', /no name of a file/],
    ['{"weight_map":[]}', /no weight_map/],
    ["null", /no weight_map/],
    ['{"weight_map":{"a":"b","a":"c"}}', /"a" is there twice/],
  ])("%s is refused", async (text, message) => {
    await expectFormatError(() => parseIndex(text, "i.json"), message);
  });

  test("naming a tensor that its shard does not have", async () => {
    await writeSafetensors(at("s.safetensors"), tensors);
    const index = { weight_map: { t0: "s.safetensors", t9: "s.safetensors" } };
    writeFileSync(at("model.safetensors.index.json"), JSON.stringify(index));
    await expectFormatError(() => openCheckpoint(folder), /s\.safetensors: no tensor is called "t9"/);
  });
});
