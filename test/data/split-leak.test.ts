import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { imageIdentity } from "../../models/data/digest.js";
import { findLeak, leakedRows, leakText } from "../../models/data/leak.js";
import { shuffle } from "../../models/data/order.js";
import { randomStream } from "../../models/data/random.js";
import type { VqaRecord } from "../../models/data/record.js";
import { splitByUnit, splitInThree } from "../../models/data/split.js";
import { loadSplits, RunConfig } from "../../models/index.js";
import { radiograph } from "../models/support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-split-"));
afterAll(() => rmSync(folder, { recursive: true }));

const record = (image: string, group: string | undefined, row: number, question = `q${row}`): VqaRecord => ({
  ...{ image, group, question, answer: "yes", qid: String(row), row, line: row + 2 },
});
const itself = (image: string) => image;

const rows = fc
  .array(fc.tuple(fc.constantFrom(..."abcdefghijkl"), fc.option(fc.constantFrom(..."ABCDEFGH"), { nil: undefined })), {
    minLength: 3,
    maxLength: 60,
  })
  .map((pairs) => pairs.map(([image, group], i) => record(image, group, i)));
const seed = fc.nat(1e6);
const shares = fc.constantFrom([80, 10, 10] as const, [50, 25, 25] as const, [98, 1, 1] as const, [70, 0, 30] as const);
/** Images a and b are one picture. */
const twins = (image: string) => (image === "b" ? "a" : image);

describe("a split by group", () => {
  test("has no group and no picture in two parts, loses no row, keeps the order, and leaks nothing", () => {
    fc.assert(
      fc.property(rows, seed, shares, (records, seed, shares) => {
        let parts: ReturnType<typeof splitInThree>;
        try {
          parts = splitInThree(records, seed, shares, twins);
        } catch (error) {
          expect((error as Error).message).toMatch(/^split: \d groups are too few for [23] parts/);
          return;
        }
        const { train, validation, test } = parts;
        const all = [train, validation, test];
        for (const keyOf of [(r: VqaRecord) => r.group, (r: VqaRecord) => twins(r.image)]) {
          const sets = all.map((part) => new Set(part.map(keyOf).filter((key) => key !== undefined)));
          expect(new Set(sets.flatMap((set) => [...set])).size).toBe(sets.reduce((sum, { size }) => sum + size, 0));
        }
        for (const part of all) expect(part.map((r) => r.row)).toEqual(part.map((r) => r.row).sort((a, b) => a - b));
        expect(all.flat().sort((a, b) => a.row - b.row)).toEqual(records);
        for (const [i, share] of shares.entries()) expect(all[i].length > 0).toBe(share > 0);
        expect(findLeak(parts, twins)).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test("is the same for the same seed, whatever the order of the rows; another seed gives another", () => {
    const partOf = (records: readonly VqaRecord[], seed: number) => {
      const parts = splitInThree(records, seed, [60, 20, 20], twins);
      return new Map(
        (["train", "validation", "test"] as const).flatMap((name) => parts[name].map((r) => [r.row, name] as const)),
      );
    };
    fc.assert(
      fc.property(rows, seed, seed, (records, seed, orderSeed) => {
        const mixed = Array.from(shuffle(records.length, randomStream(orderSeed, "shuffle")), (i) => records[i]);
        let first: Map<number, string>;
        try {
          first = partOf(records, seed);
        } catch {
          return;
        }
        const again = partOf(mixed, seed);
        for (const [row, name] of first) expect(again.get(row)).toBe(name);
      }),
    );
    const many = Array.from({ length: 40 }, (_, i) => record(`i${i}`, `g${i}`, i));
    expect(partOf(many, 1)).not.toEqual(partOf(many, 2));
  });

  test("holds out whole groups for validation", () => {
    const records = Array.from({ length: 40 }, (_, i) => record(`i${i}`, `g${i % 10}`, i));
    const { train, test } = splitByUnit(records, 3, 0.2, itself);
    expect([train.length, test.length]).toEqual([32, 8]);
    expect(new Set(test.map((r) => r.group)).size).toBe(2);
  });
});

describe("a leak", () => {
  const train = [record("a", "p1", 0), record("b", "p2", 1, "Is it? ")];
  test("by group, by picture, by question, each with the row that has it", () => {
    const validation = [record("c", "p2", 2), record("d", "p4", 3)];
    const test = [record("a", "p9", 4), record("b", "p8", 5, "is it?"), record("e", "p4", 6), record("f", "p5", 7)];
    const leak = findLeak({ train, validation, test }, itself);
    expect(leak && leakedRows(leak)).toEqual([
      'line 4 (validation) has the group "p2" of line 3 (train)',
      "line 6 (test) has the image of line 2 (train)",
      "line 7 (test) has the question about the same image of line 3 (train)",
      'line 8 (test) has the group "p4" of line 5 (validation)',
    ]);
    expect(leak && leakText(leak)).toBe(
      "1 of 2 validation questions share with training: 1 the group; " +
        "3 of 4 test questions share with training: 1 the group, 2 the image, 1 the question about the same image",
    );
  });

  test("none where rows without a group share nothing else", () => {
    expect(
      findLeak({ train: [record("a", undefined, 0)], validation: [], test: [record("b", "", 1)] }, itself),
    ).toBeNull();
  });
});

describe("pictures are the same by content, not by name", () => {
  test("only equal bytes are; one that is not there is itself", async () => {
    const [a, b, c] = ["a.jpg", "b.jpg", "c.jpg"].map((name) => join(folder, name));
    for (const file of [a, b]) cpSync(radiograph, file);
    writeFileSync(c, "other");
    const identity = await imageIdentity([b, a, c, join(folder, "none.jpg"), radiograph]);
    expect(identity(a)).toBe(identity(b));
    expect(identity(radiograph)).toBe(identity(a));
    expect(new Set([a, c, join(folder, "none.jpg")].map(identity)).size).toBe(3);
  });
});

describe("the splits of a run", () => {
  const table = (name: string, rows: readonly string[], head = "image,question,answer,group,split") => {
    const file = join(folder, name);
    writeFileSync(file, `${[head, ...rows].join("\n")}\n`);
    return file;
  };
  const splits = (data: object, more: object = {}) =>
    loadSplits(RunConfig.parse({ data: { set: "table", ...data }, epochs: 1, ...more }));
  for (const name of ["x.jpg", "y.jpg"]) cpSync(radiograph, join(folder, name));
  for (const name of ["u.jpg", "v.jpg", "w.jpg"]) writeFileSync(join(folder, name), name);

  test("overlap is refused with its rows, by group and by the bytes of an image; allowed, it is said", async () => {
    const file = table("leak.csv", [
      "x.jpg,q,a,p1,train",
      "u.jpg,q,a,p2,train",
      "y.jpg,q,a,p3,test",
      "v.jpg,r,a,p2,test",
    ]);
    await expect(splits({ file })).rejects.toThrow(
      /leak\.csv: 2 evaluation rows overlap with training\. Change the parts .*--allow-leak.*\n {2}- line 4 \(test\) has the question about the same image of line 2 \(train\)\n {2}- line 5 \(test\) has the group "p2" of line 3 \(train\)$/,
    );
    const allowed = await splits({ file, allowLeak: true });
    expect(allowed.leak?.rows).toHaveLength(2);
  });

  test("many rows: the first ten are named, the rest are counted", async () => {
    const rows = Array.from({ length: 13 }, (_, i) => `v.jpg,q${i},a,p,test`);
    const file = table("many.csv", ["u.jpg,q,a,p,train", ...rows]);
    await expect(splits({ file })).rejects.toThrow(
      /13 evaluation rows overlap.*(\n {2}- line .*){10}\n {2}- and 3 more$/s,
    );
  });

  test("without a column: by group, shares and seed; the hash is recorded, and a changed file is refused", async () => {
    const rows = ["u", "v", "w"].map((name) => `${name}.jpg,q,a,${name}`);
    const file = table("grouped.csv", rows, "image,question,answer,group");
    const first = await splits({ file });
    expect([first.train, first.validation, first.test].map((part) => part.length)).toEqual([1, 1, 1]);
    expect(await splits(first.data)).toEqual(first);
    expect((await splits({ file, split: [66, 0, 34] })).train).toHaveLength(2);
    table("grouped.csv", [...rows, "x.jpg,q,a,x"], "image,question,answer,group");
    await expect(splits(first.data)).rejects.toThrow(/grouped\.csv: it has changed since the run began \(SHA-256 /);
  });

  test("shares beside a column, validation beside validation rows, a part without rows", async () => {
    const file = table("parts.csv", ["u.jpg,q,a,p1,train", "v.jpg,q,a,p2,val", "w.jpg,q,a,p3,test"]);
    await expect(splits({ file, split: [80, 10, 10] })).rejects.toThrow("has a column that says the split");
    await expect(splits({ file }, { validation: 0.2 })).rejects.toThrow("has 1 validation rows of its own");
    const none = table("none.csv", ["u.jpg,q,a,p1,train"]);
    await expect(splits({ file: none })).rejects.toThrow('no row is in the part "test"');
  });

  test("the official split of VQA-RAD shares every image; the questions about the body parts share none", async () => {
    const of = (set: string) => loadSplits(RunConfig.parse({ data: { set, folder: "data/vqa-rad" }, epochs: 1 }));
    const { leak } = await of("vqa-rad");
    expect(leak && leakText(leak)).toMatch(
      /^451 of 451 test questions share with training: 451 the image, 16 the question about the same image$/,
    );
    expect((await of("organ")).leak).toBeNull();
  });
});
