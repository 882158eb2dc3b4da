import { describe, expect, it } from "vitest";
import { differenceOf } from "../../../bench/row/agreement.js";
import { peerResult } from "../../../bench/row/results.js";
import { interleave, type Samples, trial } from "../../../bench/row/rounds.js";
import { warmUp } from "../../../bench/row/warm-up.js";
import { quantile } from "../../../bench/statistics/summary.js";
import type { Contender } from "../../../bench/task.js";

const samples = (...seconds: number[]): Samples => ({
  seconds,
  cpuSeconds: seconds.map((s) => 2 * s),
  calls: 1,
  failure: null,
});
const nothing = { seconds: 0, cpuSeconds: null };
const found = { contender: { time: async () => nothing, release() {} }, results: null };

describe("a peer in a row", () => {
  it("has the ratio of its median to ours, and says whether that is more than noise", () => {
    const peer = { name: "p", peer: { version: "1" }, found, difference: 1e-7, forms: { a: 2, b: 3 }, refused: {} };
    const ours = samples(2, 1.9, 2.1, 2, 2);
    expect(peerResult(peer, samples(3, 3, 9, 3.1, 2.9), ours)).toMatchObject({
      ratio: 1.5,
      ours: "faster",
      medianUs: 3e6,
      cpuRatio: 1.5,
      cpu: { medianUs: 6e6 },
    });
    expect(peerResult(peer, samples(1, 1, 1, 1.1, 1.05), ours)).toMatchObject({ ratio: 0.5, ours: "slower" });
    expect(peerResult(peer, samples(1, 9, 2, 1.5, 3), ours)).toMatchObject({ ratio: 1, ours: "even" });
  });
});

describe("interleave", () => {
  const logged = (log: string[], name: string, seconds: number, failsAt = Number.POSITIVE_INFINITY): Contender => {
    let pieces = 0;
    return {
      async time(calls) {
        if (pieces++ >= failsAt) throw new Error(`${name} broke`);
        log.push(name);
        return { seconds: calls * seconds, cpuSeconds: null };
      },
      release() {},
    };
  };

  it("takes turns, every second round in reverse, and leaves out who fails", async () => {
    const log: string[] = [];
    const contenders = [logged(log, "a", 1), logged(log, "b", 2), logged(log, "c", 1, 3)];
    const [a, b, c] = await interleave(contenders, { seconds: 0 });
    // Two pieces each to warm up, a second being longer than that may take, then five rounds.
    expect(log.join("")).toBe("aabbccabcbaabbaab");
    expect([a.seconds, b.seconds]).toEqual([Array(5).fill(1), Array(5).fill(2)]);
    // Nobody told the processor's time.
    expect(a.cpuSeconds).toEqual([]);
    expect(c.failure).toBe("c broke");
  });

  it("fails where the first contender does", async () => {
    await expect(interleave([logged([], "a", 1, 4)], { seconds: 0 })).rejects.toThrow("a broke");
  });

  it("groups short calls into pieces of twenty milliseconds, and divides by them", async () => {
    const [a] = await interleave([logged([], "a", 1e-3)], { seconds: 0 });
    expect(a.calls).toBe(20);
    for (const s of a.seconds) expect(s).toBeCloseTo(1e-3, 10);
  });
});

describe("how much is timed", () => {
  /** Calls of given lengths, as told; the last for ever. */
  const telling = (...lengths: number[]) => {
    const asked: number[] = [];
    const contender: Contender = {
      async time(calls) {
        const length = lengths[Math.min(asked.length, lengths.length - 1)];
        asked.push(calls);
        return { seconds: calls * length, cpuSeconds: null };
      },
      release() {},
    };
    return { asked, contender };
  };

  it("is at least 50 calls or 0.2 seconds, however short the budget", async () => {
    for (const length of [1e-6, 1e-3, 4e-3, 0.015, 0.03, 0.05, 3]) {
      const [{ seconds, calls }] = await interleave([telling(length).contender], { seconds: 0 });
      const timed = calls * seconds.reduce((sum, s) => sum + s, 0);
      expect(calls * seconds.length >= 50 || timed >= 0.2 - 1e-9, `calls of ${length} s`).toBe(true);
      expect(seconds.length).toBeGreaterThanOrEqual(5);
    }
    // As few calls in a piece as the task says: 50 pieces then.
    const [{ seconds }] = await interleave([telling(1e-3).contender], { seconds: 0, calls: 1 });
    expect(seconds.length).toBe(50);
  });

  it("waits for a contender that has had too few calls, not for one that failed", async () => {
    const broken: Contender = { time: () => Promise.reject(new Error("broke")), release() {} };
    const [a, b, c] = await interleave([telling(0.011).contender, telling(0.003).contender, broken], { seconds: 0 });
    expect(a.seconds.length).toBe(10);
    expect(b.seconds.length).toBe(10);
    expect(c.failure).toBe("broke");
  });

  it("begins once three pieces agree, or once a warm-up has had its time", async () => {
    const settling = telling(0.09, 0.01, 0.005, 0.0031, 0.003, 0.003);
    await warmUp(settling.contender, () => 1, 100);
    expect(settling.asked.length).toBe(6);
    // No two pieces agree: until a tenth of four seconds is over, the first piece aside.
    const restless = telling(60, 0.1, 0.05, 0.1, 0.05, 0.1, 0.05);
    await warmUp(restless.contender, () => 1, 4);
    expect(restless.asked.length).toBe(6);
    // Short calls until they are compiled: one, then twenty in a piece.
    const short = telling(1e-3);
    await warmUp(short.contender, (length) => (length === Number.POSITIVE_INFINITY ? 1 : 20), 100);
    expect(short.asked).toEqual([1, ...Array(100).fill(20)]);
    const slow = telling(10);
    expect(await warmUp(slow.contender, () => 1, 4)).toBe(10);
    expect(slow.asked.length).toBe(2);
  });
});

describe("trial", () => {
  const steady = (seconds: number, cpuSeconds: number | null): Contender => ({
    time: async (calls) => ({ seconds: calls * seconds, cpuSeconds: cpuSeconds && calls * cpuSeconds }),
    release() {},
  });

  it("goes by the processor's time where it is known, else by the clock", async () => {
    expect((await trial([steady(1, 3), steady(2, 2), steady(3, 4)])).seconds).toEqual([3, 2, 4]);
    expect((await trial([steady(3, null), steady(2, null), steady(1, null)])).seconds).toEqual([3, 2, 1]);
    const short = [steady(2 ** -12, null), steady(2 ** -13, null)];
    expect((await trial(short)).seconds).toEqual([2 ** -12, 2 ** -13]);
  });

  it("goes by the clock on a GPU, whatever its host does meanwhile", async () => {
    expect((await trial([steady(1, 3), steady(2, 2)], true)).seconds).toEqual([1, 2]);
  });

  it("leaves out one that fails, and fails where all do", async () => {
    let left = 3;
    const failing: Contender = {
      async time(calls) {
        if (left-- === 0) throw new Error("out of memory");
        return { seconds: calls, cpuSeconds: null };
      },
      release() {},
    };
    const { seconds, failures } = await trial([failing, steady(2, null)]);
    expect(seconds).toEqual([Number.POSITIVE_INFINITY, 2]);
    expect([...failures]).toEqual([[0, "out of memory"]]);
    const broken: Contender = { time: () => Promise.reject(new Error("no kernel")), release() {} };
    await expect(trial([broken, broken])).rejects.toThrow("no kernel");
  });

  it("has nothing to tell of one alone", async () => {
    expect((await trial([steady(1, null)])).seconds).toEqual([]);
  });
});

describe("numbers", () => {
  it("quantiles interpolate between ranks", () => {
    expect(quantile([1, 2, 3, 4, 5], 0.5)).toBe(3);
    expect(quantile([0, 10], 0.9)).toBeCloseTo(9, 12);
    expect(quantile([7], 0.1)).toBe(7);
  });

  it("differences are relative to the largest result, and never hide a NaN or a missing array", () => {
    expect(differenceOf({ y: [1, 8.5] }, { y: [1, 8] })).toBe(0.5 / 8);
    expect(differenceOf({ y: [0.5] }, { y: [0.25] })).toBe(0.25);
    for (const y of [[1, Number.NaN], [1], undefined])
      expect(differenceOf({ y: y as number[] }, { y: [1, 2] })).toBe(Number.POSITIVE_INFINITY);
  });
});
