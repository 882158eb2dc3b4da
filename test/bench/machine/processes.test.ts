import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { descendantSeconds } from "../../../bench/machine/processes.js";
import { taking } from "../../../bench/row/clock.js";

const busy = (ms: number) => `for (const end = Date.now() + ${ms}; Date.now() < end; );`;

describe("the processor's time", () => {
  it.skipIf(process.platform !== "linux")("of processes that this one started counts, theirs too", async () => {
    const before = descendantSeconds() as number;
    // Lives on for a while, to be counted, and ends by itself.
    const script = `${busy(200)} console.log(1); setTimeout(() => {}, 2000)`;
    const child = spawn(process.execPath, [
      "-e",
      `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(script)}], { stdio: "inherit" })`,
    ]);
    await once(child.stdout, "data");
    expect((descendantSeconds() as number) - before).toBeGreaterThan(0.02);
    await once(child, "exit");
  });

  it("of this process is told beside the clock", async () => {
    const { seconds, cpuSeconds } = await taking(async () => {
      for (const end = performance.now() + 100; performance.now() < end; );
    });
    expect(seconds).toBeGreaterThanOrEqual(0.1);
    expect(cpuSeconds).toBeGreaterThan(0);
  });
});
