import { beforeEach, describe, expect, it } from "vitest";
import { lastCaches } from "../../../bench/ceilings/sizes.js";
import { prepared, type Tensors, uploadAll } from "../../../bench/contenders/engine.js";
import { normals } from "../../../bench/inputs.js";
import { copiesFor, copiesOf } from "../../../bench/row/copies.js";
import { measure } from "../../../bench/row/measure.js";
import { tasksOf } from "../../../bench/suites/index.js";
import type { HostTensors, OpenedPeer, Peer, Prepared, Task } from "../../../bench/task.js";
import { type Device, mul, openDevice, sum } from "../../../engine/index.js";

const MIB = 2 ** 20;

describe("the number of copies", () => {
  it("exceeds the cache by a quarter, 32 at most, one of what is larger", () => {
    const room = Number.POSITIVE_INFINITY;
    expect(copiesOf(2 * MIB, 32 * MIB, room)).toBe(20);
    expect(copiesOf(9 * MIB, 32 * MIB, room)).toBe(5);
    expect(copiesOf(40 * MIB, 32 * MIB, room)).toBe(1);
    expect(copiesOf(4096, 32 * MIB, room)).toBe(32);
  });

  it("is smaller where there is no room, and never none", () => {
    expect(copiesOf(2 * MIB, 32 * MIB, 7 * MIB)).toBe(4);
    expect(copiesOf(2 * MIB, 32 * MIB, MIB)).toBe(1);
    expect(copiesOf(2 * MIB, 32 * MIB, -MIB)).toBe(1);
  });

  it("is by the cache of the GPU where that is told, and by a large one where not", () => {
    const gpu = (cacheBytes?: number) =>
      ({ name: "cuda", binding: { cacheBytes }, memory: () => ({ live: 0, budget: 2 ** 36 }) }) as unknown as Device;
    const ours = { inputBytes: 4 * MIB } as Prepared;
    expect([50, 32, undefined].map((mib) => copiesFor(gpu(mib && mib * MIB), {}, ours))).toEqual([16, 10, 20]);
  });

  it("leaves half of what a task needs not, shared with those that are compared", async () => {
    using device = await openDevice("cpu", { threads: 1, memoryBudget: 64 * MIB });
    const ours = { inputBytes: 2 * MIB } as Prepared;
    const needs = { bytes: 14 * MIB, hostBytes: 10 * MIB, tensorBytes: 4, elements: 1 };
    // 40 MiB are left, 20 of them for copies, 5 of each contender.
    expect(copiesFor(device, { needs }, ours, 3)).toBe(Math.min(3, copiesFor(device, {}, ours)));
    expect(copiesFor(device, { needs: { ...needs, bytes: 54 * MIB } }, ours)).toBe(1);
    expect(copiesFor(device, {}, {} as Prepared)).toBe(1);
  });
});

describe("a row", () => {
  /** The sets that calls of ours took, each by the place at which it was uploaded. */
  const taken: number[] = [];
  beforeEach(() => void taken.splice(0));

  const counted = (pass: Task["pass"]): Task => {
    const trained = pass === "forward" ? [] : ["x"];
    return {
      ...{ suite: "matmul", op: "product", pass, name: "", shape: "4", options: {}, trained },
      ...{ flops: null, bytes: null, tolerance: 1e-6, calls: 40 },
      async prepare(device: Device) {
        const host: HostTensors = { x: normals([4], 0), w: normals([4], 1), ...(trained[0] && { dy: normals([], 2) }) };
        const sets: Tensors[] = [];
        const upload = () => sets[sets.push(uploadAll(device, host, "f32")) - 1];
        const forward = (tensors: Tensors) => {
          taken.push(sets.indexOf(tensors));
          return sum(mul(tensors.x, tensors.w));
        };
        return prepared(device, { host, trained, pass, upload, forward });
      },
    };
  };
  const conditions = { threads: 1, seconds: 0 };

  it.for(["forward", "forward+backward", "backward"] as const)(
    "cycles through copies of what its calls read: %s",
    async (pass) => {
      using device = await openDevice("cpu", { threads: 1 });
      const row = await measure(counted(pass), device, [], conditions);
      expect(row.copies).toBe(32);
      expect(new Set(taken).size).toBe(32);
      // In a piece of 40 calls each comes after the other; the last calls are those of the check afterwards.
      const piece = taken.slice(-41, -1);
      expect(piece).toEqual(Array.from(piece, (_, i) => (piece[0] + i) % 32));
      expect(taken.at(-1)).toBe(0);
    },
  );

  it("counts one set of the inputs in its peak of memory", async () => {
    using device = await openDevice("cpu", { threads: 1 });
    const [task] = tasksOf("matmul", { shapes: "256x256x256" }).tasks;
    const { copies, peakBytes } = await measure(task, device, [], conditions);
    expect(copies).toBeGreaterThan(1);
    expect(peakBytes).toBeGreaterThanOrEqual(3 * 256 * 256 * 4);
    // The result of one call may live until that of the next.
    expect(peakBytes).toBeLessThan(5 * 256 * 256 * 4);
  });

  it("asks its peers for as many, fewer where memory is short", async () => {
    const asked: (number | undefined)[] = [];
    const peer: Peer = {
      version: "1",
      async prepare(_task, _inputs, copies) {
        asked.push(copies);
        throw new Error("it only counts");
      },
      close() {},
    };
    const peers: OpenedPeer[] = [{ name: "counting", peer, reason: "" }];
    const [task] = tasksOf("matmul", { shapes: "512x512x512" }).tasks;
    const found: (number | undefined)[] = [];
    for (const memoryBudget of [undefined, 16 * MIB]) {
      using device = await openDevice("cpu", { threads: 1, memoryBudget });
      found.push((await measure(task, device, peers, conditions)).copies);
    }
    expect(asked).toEqual(found);
    // Of 16 MiB the task needs 5; half of what is left holds one more set of each, 2 MiB.
    expect(found).toEqual([copiesOf(2 * MIB, lastCaches() || 32 * MIB, Number.POSITIVE_INFINITY), 2]);
  });

  it("has one set where a call changes it", async () => {
    using device = await openDevice("cpu", { threads: 1 });
    const [task] = tasksOf("adamw", { shapes: "2x4x4" }).tasks;
    expect((await measure(task, device, [], conditions)).copies).toBe(1);
  });
});
