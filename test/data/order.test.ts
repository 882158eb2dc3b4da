import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Batching, batches, type Cursor, order } from "../../models/data/order.js";
import { randomStream } from "../../models/data/random.js";
import type { VqaRecord } from "../../models/data/record.js";
import { splitByImage } from "../../models/data/split.js";

describe("randomStream", () => {
  test("below(n) is uniform: chi-square of 60000 throws of a die within the 0.1 % point", () => {
    const random = randomStream(5, "shuffle");
    const counts = new Array(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[random.below(6)]++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(20.5);
  });

  test("purposes, sequences and seeds are streams of their own, also seeds above 32 bits", () => {
    const first = [
      randomStream(1, "shuffle"),
      randomStream(1, "split"),
      randomStream(1, "shuffle", 1),
      randomStream(2, "shuffle"),
      randomStream(2 ** 32 + 1, "shuffle"),
    ].map((random) => random.word());
    expect(new Set(first).size).toBe(5);
  });
});

const seed = fc.nat(2 ** 31);

describe("order", () => {
  test("is a permutation, the same for the same seed and epoch", () => {
    fc.assert(
      fc.property(seed, fc.nat(200), fc.nat(300), (seed, epoch, n) => {
        const rows = order(seed, epoch, n);
        expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(order(seed, epoch, n)).toEqual(rows);
      }),
    );
  });

  test("another epoch or seed is another order", () => {
    expect(order(1, 1, 100)).not.toEqual(order(1, 0, 100));
    expect(order(2, 0, 100)).not.toEqual(order(1, 0, 100));
  });
});

describe("batches", () => {
  const take = (batching: Batching, from: Cursor, count: number) => {
    const taken: number[][] = [];
    let cursor = from;
    while (taken.length < count) {
      for (const { rows, next } of batches(batching, cursor)) {
        if (taken.length === count) break;
        taken.push([...rows]);
        cursor = next;
      }
    }
    return { taken, cursor };
  };

  test("stopped anywhere and resumed, the same batches follow", () => {
    fc.assert(
      fc.property(
        seed,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(20),
        (seed, n, batchSize, stop) => {
          const batching = { seed, n, batchSize };
          const start = { epoch: 0, position: 0 };
          const whole = take(batching, start, 30).taken;
          const first = take(batching, start, stop);
          expect([...first.taken, ...take(batching, first.cursor, 30 - stop).taken]).toEqual(whole);
        },
      ),
    );
  });

  test("an epoch gives every row once; the last batch is kept, or left out on request", () => {
    const sizes = (dropLast: boolean) =>
      [...batches({ seed: 3, n: 10, batchSize: 4, dropLast })].map(({ rows }) => rows.length);
    expect(sizes(false)).toEqual([4, 4, 2]);
    expect(sizes(true)).toEqual([4, 4]);
    const all = [...batches({ seed: 3, n: 10, batchSize: 4 })];
    expect(all.flatMap(({ rows }) => [...rows]).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(all.at(-1)?.next).toEqual({ epoch: 1, position: 0 });
  });

  test("an epoch without a batch is an error: a loop over epochs would never end", () => {
    const all = (n: number, dropLast: boolean, position = 0) => [
      ...batches({ seed: 0, n, batchSize: 4, dropLast }, { epoch: 2, position }),
    ];
    expect(() => all(3, true)).toThrow("batches: 3 rows give no batch of 4.");
    expect(() => all(0, false)).toThrow("batches: 0 rows give no batch of 4.");
    expect(() => all(10, true, 8)).toThrow("batches: position 8 of 8 rows. The cursor is of another data set.");
    expect(all(10, false, 8)).toHaveLength(1);
  });

  test("a batch size has to be a positive integer", () => {
    for (const batchSize of [0, -1, 1.5, Number.NaN]) {
      expect(() => [...batches({ seed: 0, n: 3, batchSize })]).toThrow(`batches: batchSize ${batchSize}`);
    }
  });
});

describe("splitByImage", () => {
  const record = (image: string, row: number): VqaRecord => ({
    image,
    question: "",
    answer: "",
    qid: "",
    row,
  });
  const records = fc
    .array(fc.constantFrom(..."abcdefghij"), { minLength: 2, maxLength: 60 })
    .filter((images) => new Set(images).size > 1)
    .map((images) => images.map(record));

  test("no image on both sides, no record lost, order kept, both sides filled", () => {
    fc.assert(
      fc.property(records, seed, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (records, seed, fraction) => {
        const { train, test } = splitByImage(records, seed, fraction);
        const held = new Set(test.map((r) => r.image));
        expect(train.some((r) => held.has(r.image))).toBe(false);
        expect([...train, ...test].sort((a, b) => a.row - b.row)).toEqual(records);
        expect(train.map((r) => r.row)).toEqual(train.map((r) => r.row).sort((a, b) => a - b));
        expect(train.length > 0 && test.length > 0).toBe(true);
      }),
    );
  });

  test("depends on the seed and the images, not on the order of the records", () => {
    fc.assert(
      fc.property(records, seed, (records, seed) => {
        const images = (rows: readonly VqaRecord[]) => new Set(splitByImage(rows, seed, 0.3).test.map((r) => r.image));
        expect(images([...records].reverse())).toEqual(images(records));
      }),
    );
  });

  test("holds out the rounded fraction; refuses what cannot be split", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => record(`image${i}`, i));
    expect(splitByImage(hundred, 1, 0.2).test).toHaveLength(20);
    expect(splitByImage(hundred, 2, 0.2).test).not.toEqual(splitByImage(hundred, 1, 0.2).test);
    expect(() => splitByImage(hundred.slice(0, 1), 1, 0.5)).toThrow("1 images, needs at least 2");
    expect(() => splitByImage(hundred, 1, 1)).toThrow("fraction 1 is not in (0, 1)");
  });
});
