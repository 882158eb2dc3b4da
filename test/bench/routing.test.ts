import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { largestExperts } from "../../bench/contenders/rows-by-expert.js";
import { normals } from "../../bench/inputs.js";
import { readRouting } from "../../bench/shapes/read-routing.js";
import { biasOf, chosenExperts, parseCounts, type Routing, reached, sharesOf } from "../../bench/shapes/routing.js";
import { tasksOf } from "../../bench/suites/index.js";
import type { Task } from "../../bench/task.js";
import { type Device, openDevice } from "../../engine/index.js";

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

function countsOf(chosen: ArrayLike<number>, E: number): number[] {
  const counts = new Array<number>(E).fill(0);
  for (const e of Array.from(chosen)) counts[e]++;
  return counts;
}

const file = (counts: readonly number[]): Routing => ({ file: "loads.json", counts });

describe("the share of each expert", () => {
  it.each<[Routing, number, number, number[]]>([
    ["balanced", 4, 2, [0.5, 0.5, 0.5, 0.5]],
    ["one-hot", 4, 2, [1, 1, 0, 0]],
    ["one-hot", 3, 3, [1, 1, 1]],
    ["zipf", 3, 1, [6 / 11, 3 / 11, 2 / 11]],
    // The first would get 24/25 of all tokens, below the whole.
    ["zipf", 4, 2, [24 / 25, 12 / 25, 8 / 25, 6 / 25]],
    // The first two would get more than all; the others share what is left, 1 to 3/4 to 3/5.
    ["zipf", 5, 4, [1, 1, 20 / 47 + 80 / 141, 0, 0]],
    [file([3, 0, 1, 4]), 4, 2, [6 / 8, 0, 2 / 8, 1]],
  ])("%j, %i experts, %i of a token", (routing, E, k, expected) => {
    const shares = sharesOf(routing, E, k);
    expect(sum(shares)).toBeCloseTo(k, 9);
    for (const share of shares) expect(share).toBeLessThanOrEqual(1);
    if (E !== 5) for (const [e, share] of expected.entries()) expect(share).toBeCloseTo(expected[e], 9);
    else expect(shares[0]).toBe(1);
  });

  it("stays a power law among those that are not full", () => {
    const shares = sharesOf("zipf", 128, 8);
    const full = shares.filter((share) => share === 1).length;
    expect(full).toBeGreaterThan(0);
    for (let e = full; e < 127; e++) expect(shares[e] / shares[e + 1]).toBeCloseTo((e + 2) / (e + 1), 9);
  });

  it.each([
    [file([1, 2, 3]), 4, 1, "bench: loads.json counts rows of 3 experts, not of 4."],
    [
      file([9, 1, 1, 1]),
      4,
      2,
      "gives expert 0 75.0 % of the rows. A token has 2 different experts, so that none gets more than 50.0 %.",
    ],
  ])("refuses %j of %i experts", (routing, E, k, message) => {
    expect(() => sharesOf(routing, E, k)).toThrow(message);
  });

  it("of counts near the largest number", () => {
    expect(sharesOf(file([1e308, 1e308, 1e308]), 3, 1)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });
});

describe("a choice by shares", () => {
  it.each<[Routing, number, number, number]>([
    ["balanced", 8, 2, 4096],
    ["balanced", 3, 3, 17],
    ["zipf", 64, 8, 1000],
    ["one-hot", 8, 2, 100],
    [file([5, 0, 1, 3, 0, 3]), 6, 2, 600],
    ["balanced", 512, 16, 64],
    ["zipf", 4, 1, 1],
  ])("%j: %i experts, %i of each of the tokens", (routing, E, k, T) => {
    const shares = sharesOf(routing, E, k);
    const chosen = chosenExperts(shares, T, k);
    for (let t = 0; t < T; t++) expect(new Set(chosen.subarray(t * k, (t + 1) * k)).size).toBe(k);
    for (const [e, count] of countsOf(chosen, E).entries())
      expect(Math.abs(count - shares[e] * T)).toBeLessThanOrEqual(4);
    expect(new Set(chosen).size).toBeLessThanOrEqual(reached(shares, T, k));
  });
});

describe("a router's bias", () => {
  it.each<[Routing, number, number]>([
    ["balanced", 8, 2],
    ["zipf", 32, 4],
    ["zipf", 4, 1],
    ["one-hot", 8, 2],
    [file([5, 0, 1, 3, 0, 3]), 6, 2],
  ])("spreads tokens %j over %i experts", (routing, E, k) => {
    const S = 2048;
    const shares = sharesOf(routing, E, k);
    const { values } = normals([S, E], 3);
    const bias = biasOf(values as Float32Array, shares, k);
    const biased = { shape: [S, E], values: Float32Array.from(values, (v, i) => v + bias[i % E]) };
    const counts = countsOf(largestExperts(biased, k).values, E);
    for (const [e, count] of counts.entries())
      expect(Math.abs(count / S - shares[e]), `expert ${e}`).toBeLessThan(0.015);
  });
});

describe("--routing", () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "consilium-routing-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("is a name, or a file of counts", async () => {
    expect(await readRouting("zipf")).toBe("zipf");
    await writeFile(path("loads.json"), " [120, 4, 0, 36.5]\n");
    expect(await readRouting(path("loads.json"))).toEqual({ file: path("loads.json"), counts: [120, 4, 0, 36.5] });
  });

  it.each([
    [
      "zpif",
      'bench: --routing "zpif": there is no such routing, and no such file. Did you mean "zipf"? It takes balanced, zipf, one-hot,',
    ],
    ["file", 'bench: --routing "file": there is no such routing, and no such file. It takes'],
    [".", 'bench: --routing ".": it is not a file.'],
    ["", 'bench: --routing "": there is no such routing'],
  ])("refuses %j", async (text, message) => {
    await expect(readRouting(text)).rejects.toThrow(message);
  });

  it("refuses a file that is too large", async () => {
    await writeFile(path("large.json"), " ".repeat(2 ** 20 + 1));
    await expect(readRouting(path("large.json"))).rejects.toThrow("its 1048577 bytes are more than counts take");
  });

  it.each([
    ["", "it is not JSON"],
    ["[1, 2", "it is not JSON (line 1, column "],
    [`[${"[".repeat(20_000)}${"]".repeat(20_000)}]`, "it is not JSON (line 1, column 513: nested more than 512 deep)"],
    ["{}", "it holds no array"],
    ["null", "it holds no array"],
    ["[]", "it has 0 experts"],
    ["[1, -2]", "element 1 is -2, not a number from 0 on"],
    ['[1, "2"]', 'element 1 is "2", not a number'],
    ["[1e999, 1]", "element 0 is null, not a number"],
    ["[[1, 2], [0, 1]]", "element 0 is [1,2], not a number"],
    ["[0, 0]", "all its experts get nothing"],
    [JSON.stringify(new Array(65537).fill(1)), "it has 65537 experts"],
  ])("refuses a file of %s", (text, message) => {
    expect(() => parseCounts("loads.json", text.toString())).toThrow(`bench: loads.json: ${message}`);
    expect(() => parseCounts("loads.json", text)).toThrow("[120, 4, 0, 36].");
  });

  it("is for suites with experts", () => {
    expect(() => tasksOf("matmul", { routing: "zipf" })).toThrow(
      "bench matmul: it has no experts, so no --routing. Those that have: moe, grouped-gemm, routing, decode.",
    );
    const { tasks } = tasksOf("all", { routing: "zipf" });
    const of = (named: boolean) => new Set(tasks.filter((t) => (t.routing === "zipf") === named).map((t) => t.op));
    expect([...of(true)]).toEqual(["mixtureOfExperts", "groupedGemm", "topKRouting"]);
    expect(tasks.filter(({ routing }) => routing !== undefined && routing !== "zipf")).toEqual([]);
    expect(() => tasksOf("moe", { shapes: "8x8x8x4x2", routing: file([1, 2]) })).toThrow(
      "bench: loads.json counts rows of 2 experts, not of 4.",
    );
  });
});

describe("rows spread as they are asked to be", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("cpu", { threads: 1 });
  });
  afterAll(() => device.close());

  async function inputsOf(task: Task) {
    const made = await task.prepare(device);
    const inputs = await made.inputs();
    await made.contender.release();
    return inputs;
  }

  const T = 2048;
  const cases: [Routing, string][] = [
    ["balanced", "balanced"],
    ["zipf", "zipf"],
    ["one-hot", "one-hot"],
    [file([5, 0, 1, 3, 0, 3, 1, 1]), "file"],
  ];

  it.each(cases)("the layer's router: %j", async (routing, name) => {
    const [task] = tasksOf("moe", { shapes: `${T}x32x16x8x2`, routing }).tasks;
    expect(task.routing).toBe(name);
    const { chosen } = await inputsOf(task);
    const shares = sharesOf(routing, 8, 2);
    for (const [e, count] of countsOf(chosen.values, 8).entries())
      expect(Math.abs(count / T - shares[e]), `expert ${e}`).toBeLessThan(0.015);
  });

  it.each(cases)("a grouped product's lists: %j", async (routing, name) => {
    const [task] = tasksOf("grouped-gemm", { shapes: `${T}x32x16x8x2`, routing }).tasks;
    expect(task.routing).toBe(name);
    const { lists } = await inputsOf(task);
    const shares = sharesOf(routing, 8, 2);
    expect(lists.values[8]).toBe(2 * T);
    for (const [e, share] of shares.entries())
      expect(Math.abs(lists.values[e + 1] - lists.values[e] - share * T), `expert ${e}`).toBeLessThanOrEqual(4);
  });

  it.each(cases)("a router's logits: %j", async (routing, name) => {
    const [task] = tasksOf("routing", { shapes: `${T}x8x2`, routing }).tasks;
    expect(task.routing).toBe(name);
    const { logits } = await inputsOf(task);
    const shares = sharesOf(routing, 8, 2);
    for (const [e, count] of countsOf(largestExperts(logits, 2).values, 8).entries())
      expect(Math.abs(count / T - shares[e]), `expert ${e}`).toBeLessThan(0.015);
  });
});
