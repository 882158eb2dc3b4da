import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tryOpen } from "../support/devices.js";
import { consiliumProcess, consiliumStoppedAt, temporaryFolder } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();

describe.skipIf(!device)(`demo on cpu${reason}`, () => {
  test("--fast: both stages, stopped once and resumed, with a report that needs no network", async () => {
    const out = join(temporaryFolder(), "demo");
    const args = ["demo", "--fast", "--out", out, "--device", "cpu"];
    const stopped = await consiliumStoppedAt(/Tuned with adapters.*step 1\//s, "SIGTERM", args);
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain("--resume");

    const { code, stdout, stderr } = await consiliumProcess([...args, "--resume", "--json", "-"]);
    expect(code, stderr).toBe(0);
    const { version, fast, stages } = JSON.parse(stdout);
    expect({ version, fast, names: stages.map((s: { name: string }) => s.name) }).toEqual({
      version: 1,
      fast: true,
      names: ["organ", "vqa-rad-lora"],
    });
    for (const { metrics, peakBytes, peakRss, seconds } of stages) {
      for (const share of [metrics.opened, metrics.closed, metrics.global]) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1);
      }
      expect(Math.min(peakBytes, peakRss, seconds)).toBeGreaterThan(0);
    }
    expect(stages[0].metrics.heldOutAccuracy).toBe(stages[0].metrics.global);

    const report = readFileSync(join(out, "report.html"), "utf8");
    expect(report).toContain("not for clinical use");
    expect(report).toContain("Smoke run");
    // VQA-RAD's own split is by question. Images of patients are in a page only where that is asked for.
    expect(report).toMatch(/107 of 107 test questions share with training: 107 the image/);
    // The first stage was trained on images that the second holds back: its validation has 15 questions about them.
    expect(report).toContain("validation questions share with training: 15 the image");
    const leaks = stages.map((s: { leak: unknown }) => s.leak);
    expect(leaks).toMatchObject([null, { totals: { test: 107 }, image: 107 + 15 }]);
    expect(report).not.toMatch(/<img|data:image/);
    expect(report).not.toMatch(/<script|(?:src|href)="(?!data:)/);
    // Six of MISS, seven of Med-MoE: losses of its stages, tokens of its experts.
    expect(report.match(/<svg[^>]*role="img"/g)).toHaveLength(13);
  }, 600_000);
});
