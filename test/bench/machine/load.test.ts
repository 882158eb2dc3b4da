import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { isLoaded, loadText, machineTicks, othersShare, watchOthers } from "../../../bench/machine/load.js";
import { processTree } from "../../../bench/machine/processes.js";

const cpu = { medianUs: 1, p10Us: 1, p90Us: 1 };
const device = "cpu";

describe("the load beside a row", () => {
  it("is what was busy less our own processes, of all cores", () => {
    const before = { total: 1000, busy: 400, ours: 100 };
    // Two cores for a second: ours kept one busy, others half of the other.
    expect(othersShare(before, { total: 1200, busy: 550, ours: 200 })).toBe(0.25);
    // Counters of processes and of the machine are rounded each on its own.
    expect(othersShare(before, { total: 1200, busy: 500, ours: 201 })).toBe(0);
    expect(othersShare(before, before)).toBe(null);
    expect(othersShare(before, null)).toBe(null);
  });

  it("counts time that a host took away, not time that was waited", () => {
    // user nice system idle iowait irq softirq steal guest guest_nice
    expect(machineTicks("10 20 30 400 500 6 7 8 9 9")).toEqual({ total: 981, busy: 81 });
  });

  it.skipIf(process.platform !== "linux")(
    "knows which processes are ours, and tells a share of this machine",
    async () => {
      const others = watchOthers();
      const child = spawn(process.execPath, ["-e", "console.log(1); setTimeout(() => {}, 300)"]);
      await once(child.stdout, "data");
      expect(processTree()).toContain(process.pid);
      expect(processTree()).toContain(child.pid);
      expect(processTree()).not.toContain(process.ppid);
      await once(child, "exit");
      expect(processTree()).not.toContain(child.pid);
      const share = others() as number;
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    },
  );

  it("shows beside a row when it is more than a tenth of the cores", () => {
    for (const othersCpu of [undefined, null, 0, 0.1]) {
      expect(isLoaded({ othersCpu })).toBe(false);
      expect(loadText({ othersCpu, cpu, device })).toBe("");
    }
    expect(isLoaded({ othersCpu: 0.11 })).toBe(true);
    const text = (row: Omit<Parameters<typeof loadText>[0], "othersCpu">) => loadText({ othersCpu: 0.348, ...row });
    expect(text({ cpu, device })).toBe("others kept 35 % of the cores busy: CPU time counts");
    expect(text({ device })).toBe("others kept 35 % of the cores busy, and nobody knows the CPU time");
    // The processor waits there.
    expect(text({ cpu, device: "cuda" })).toBe("others kept 35 % of the cores busy: what the host does takes longer");
  });
});
