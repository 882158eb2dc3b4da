import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lengthGroups, type SizedRow } from "../../models/data/length-groups.js";
import { batches } from "../../models/data/order.js";
import { randomStream } from "../../models/data/random.js";

const grouped = (rows: readonly SizedRow[], batchSize: number, world: number, seed = 0) => [
  ...lengthGroups(rows, { batchSize, world, random: randomStream(seed, "shuffle") }),
];
const withImages = (...lengths: number[]): SizedRow[] => lengths.map((length) => ({ length, hasImages: true }));

const row = fc.record({ length: fc.integer({ min: 1, max: 60 }), hasImages: fc.boolean() });
const sizes = fc.record({ batchSize: fc.integer({ min: 1, max: 5 }), world: fc.integer({ min: 1, max: 4 }) });

describe("lengthGroups", () => {
  test("is a permutation, the same for the same seed", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 80 }), sizes, fc.nat(99), (rows, { batchSize, world }, seed) => {
        const order = grouped(rows, batchSize, world, seed);
        expect(order.toSorted((a, b) => a - b)).toEqual([...rows.keys()]);
        expect(grouped(rows, batchSize, world, seed)).toEqual(order);
      }),
    );
  });

  test("no batch mixes rows with and without images, but for the rest at the end", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 80 }), sizes, (rows, { batchSize, world }) => {
        const mega = batchSize * world;
        const order = grouped(rows, batchSize, world);
        const ends = [true, false].map((kind) => {
          const n = rows.filter(({ hasImages }) => hasImages === kind).length;
          return n === 0 ? 0 : ((n - 1) % mega) + 1;
        });
        const mixed = ends.every((end) => end > 0) ? ends[0] + ends[1] : 0;
        for (let i = 0; i + batchSize <= order.length - mixed; i += batchSize) {
          const kinds = order.slice(i, i + batchSize).map((r) => rows[r].hasImages);
          expect(new Set(kinds).size).toBe(1);
        }
        if (mixed) expect(order.slice(-mixed)).toEqual(order.slice(-mixed).toSorted((a, b) => a - b));
      }),
    );
  });

  test("a megabatch is dealt so that its batches are equally long", () => {
    // Longest first to the shortest batch: 9 | 8, then 7 to 8, 6 to 9, and both are full.
    const lengths = [6, 7, 8, 9];
    const order = grouped(withImages(...lengths), 2, 2).map((r) => lengths[r]);
    expect([order.slice(0, 2), order.slice(2)]).toEqual([
      [9, 6],
      [8, 7],
    ]);
  });

  test("rows that do not fill their batches go round in turn", () => {
    const lengths = [5, 4, 3, 2, 1];
    expect(grouped(withImages(...lengths), 3, 2).map((r) => lengths[r])).toEqual([5, 3, 1, 4, 2]);
  });

  test("less padding than by chance", () => {
    const random = randomStream(7, "shuffle");
    const rows = withImages(...Array.from({ length: 512 }, () => 1 + random.below(200)));
    const padding = (order: readonly number[]) => {
      let sum = 0;
      for (let i = 0; i < order.length; i += 4) {
        const lengths = order.slice(i, i + 4).map((r) => rows[r].length);
        sum += lengths.reduce((a, b) => a + Math.max(...lengths) - b, 0);
      }
      return sum;
    };
    expect(padding(grouped(rows, 4, 1))).toBeLessThan(1.05 * padding([...rows.keys()]));
    // One device accumulating eight batches sorts 32 rows at a time, but deals them for equal sums, not for equal lengths.
    expect(padding(grouped(rows, 32, 1))).toBeLessThan(0.25 * padding([...rows.keys()]));
  });

  test("gives the batches of an epoch, which can be gone on with", () => {
    const rows = withImages(...Array.from({ length: 10 }, (_, i) => i + 1));
    const rowsOf = (epoch: number) => Uint32Array.from(grouped(rows, 2, 2, epoch));
    const all = [...batches({ seed: 0, n: 10, batchSize: 2, rowsOf })];
    expect(all.flatMap((batch) => [...batch.rows])).toEqual([...rowsOf(0)]);
    const rest = [...batches({ seed: 0, n: 10, batchSize: 2, rowsOf }, all[2].next)];
    expect(rest.map((batch) => [...batch.rows])).toEqual(all.slice(3).map((batch) => [...batch.rows]));
  });

  test("sizes that cannot be", () => {
    expect(() => grouped([], 0, 1)).toThrow("lengthGroups: batchSize 0.");
    expect(() => grouped([], 1, 1.5)).toThrow("lengthGroups: world 1.5.");
  });
});
