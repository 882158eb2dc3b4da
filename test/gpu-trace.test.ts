import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { summaryOf, trace } from "../scripts/gpu/trace.mjs";
import { buildTraceDriver } from "../scripts/gpu/trace-driver.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
beforeAll(buildTraceDriver);

describe("what a trace comes to", () => {
  const calls = (...rows: (readonly [string, number, number, number, number?])[]) =>
    [
      "name,thread,start,end,apartUs",
      ...rows.map(([name, thread, start, end, apart = ""]) => `${name},${thread},${start},${end},${apart}`),
    ].join("\n");
  const found = {
    ...{ device: "some GPU", replays: 2, kernels: 10, from: 1000, to: 2000 },
    rounds: [
      { spanUs: 100, timedUs: 110, emptyUs: 4, emptyStepUs: 30 },
      { spanUs: 99, timedUs: 200, emptyUs: 5, emptyStepUs: 29 },
      { spanUs: 200, timedUs: 100, emptyUs: 1, emptyStepUs: 90 },
    ],
  };

  test("waits amid the replays, of any thread; none from before the first or after the last", () => {
    const csv = calls(
      ["cuGraphLaunch", 1, 100, 110],
      ["cuEventSynchronize", 1, 1000, 1090],
      ["cuGraphLaunch", 1, 1100, 1110],
      ["cuEventSynchronize", 2, 1105, 1190],
      ["cuMemcpyHtoDAsync_v2", 1, 1120, 1130],
      ["cuMemAllocAsync", 1, 1130, 1140],
      ["cuMemcpyDtoHAsync_v2", 1, 1140, 1150],
      ["cuMemHostAlloc", 1, 1150, 1160],
      ["cuStreamSynchronize", 1, 1160, 1170],
      ["cuEventQuery", 1, 1170, 1180],
      ["cuGraphLaunch", 1, 1200, 1210],
      ["cuEventSynchronize", 2, 1220, 1290],
      ["cuGraphLaunch", 1, 2100, 2110],
    );
    expect(summaryOf(csv, found)).toMatchObject({
      launches: 2,
      hostWaits: ["cuEventSynchronize", "cuMemcpyDtoHAsync_v2", "cuMemHostAlloc", "cuStreamSynchronize"],
    });
  });

  test("kernels without what timing adds to them: as much as an empty one takes, or as two events do", () => {
    const launches = [
      ["cuGraphLaunch", 1, 1100, 1110],
      ["cuGraphLaunch", 1, 1200, 1210],
    ] as const;
    const pairs = [NaN, 1, 1.5, 40, 1.25, 0.5].map(
      (apart, i) => ["cuEventElapsedTime", 1, 3000 + i, 3001 + i, Number.isNaN(apart) ? undefined : apart] as const,
    );
    const summary = summaryOf(calls(...launches, ...pairs), found);
    // 110 - 10 * 4 of 100, and 110 - 10 * 1.25: of the medians.
    expect(summary.gapsShare).toBeCloseTo(0.3);
    expect(summary.gapsShareOfRounds).toEqual([expect.closeTo(1 - 150 / 99), expect.closeTo(0.55)]);
    expect(summary.gapsShareAtLeast).toBeCloseTo(0.025);
    expect(summary.measured).toEqual({ timedUs: 110, emptyUs: 4, eventsUs: 1.25, emptyStepUs: 30 });
    // What is timed of itself may come out longer than the step.
    expect(summaryOf(calls(...launches, pairs[5]), found).gapsShareAtLeast).toBe(0);
  });

  test("of other launches than replays is an error", () => {
    expect(() => summaryOf(calls(["cuGraphLaunch", 1, 1100, 1110]), found)).toThrow(
      "the trace holds 1 launches of graphs, and 2 steps were replayed",
    );
  });
});

describe.skipIf(!existsSync(`${root}dist`))("on a simulated GPU", () => {
  const small = ["--step", "small", "--replays", "4", "--rounds", "3"];

  test("replays back to back wait for nothing", async () => {
    const summary = await trace(...small);
    expect(summary).toMatchObject({ device: expect.stringMatching(/^cuda-sim/), launches: 4, hostWaits: [] });
    expect(summary.kernels).toBeGreaterThan(10);
    const { timedUs, emptyUs, eventsUs } = summary.measured;
    // A kernel that stores one number is nothing beside those of the step; events alone are less.
    expect(emptyUs * summary.kernels).toBeLessThan(timedUs);
    expect(eventsUs).toBeLessThan(emptyUs);
  });

  test("a read amid them is found, with the thread that waits for it", async () => {
    const { hostWaits } = await trace(...small, "--read");
    expect(hostWaits).toContain("cuMemcpyDtoHAsync_v2");
    expect(hostWaits).toContain("cuEventSynchronize");
  });

  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, ["scripts/gpu/trace.mjs", ...args], {
      ...{ cwd: root, encoding: "utf8", env: { ...process.env, ...env } },
    });

  test.each([
    ["no file", [], 2, "trace.mjs: name the file to write"],
    ["no such step", ["unused.json", "--step", "huge"], 1, "--step huge is none of tiny, small"],
    ["no number of replays", ["unused.json", "--replays", "some"], 1, "--replays some is no whole number from 1"],
  ])("%s: said", (_, args, code, text) => {
    const { status, stderr } = run(args);
    expect(status).toBe(code);
    expect(stderr).toContain(text);
  });

  test("a driver that is nowhere: named", () => {
    const { status, stderr } = run(["unused.json", ...small], { CONSILIUM_CUDA_DRIVER: "/nowhere/libcuda.so.1" });
    expect(status).toBe(1);
    expect(stderr).toContain(
      "trace: there is no driver to trace (/nowhere/libcuda.so.1: cannot open shared object file",
    );
    expect(stderr).toContain("the steps to trace ended with 1; they have said why");
    expect(existsSync(`${root}unused.json`)).toBe(false);
  });
});

test("a driver that is compiled needs no compiler", async () => {
  vi.stubEnv("CXX", "/nowhere/g++");
  expect(await buildTraceDriver()).toMatch(/build\/trace\/libcuda-trace\.so$/);
  vi.unstubAllEnvs();
});
