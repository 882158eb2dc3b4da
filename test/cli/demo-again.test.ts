import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumProcess, consiliumStoppedAt, temporaryFolder } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();

describe.skipIf(!device)(`a demo where there was one before${reason}`, () => {
  const folder = temporaryFolder();
  const out = join(folder, "demo");
  const args = ["demo", "--fast", "--out", out, "--device", "cpu"];
  const stopAt = (pattern: RegExp, ...more: string[]) => consiliumStoppedAt(pattern, "SIGINT", [...args, ...more]);

  test("one that was stopped goes on; a finished one makes room, results first", async () => {
    const stopped = await stopAt(/step 1\//, "--report-images");
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain(`npx consilium demo --fast --report-images --out ${out} --resume --device cpu`);

    const again = await consiliumProcess([...args, "--json", "-"]);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain("holds a demo that was stopped: going on with it");
    const { stages, departures } = JSON.parse(again.stdout);
    // The stop takes effect a step later, or on a busy machine some more.
    const [since] = stages.map((stage: { resumedAt: number }) => stage.resumedAt).filter((step: number) => step > 0);
    expect(since).toBeGreaterThan(0);
    expect(departures.length).toBeGreaterThan(5);
    const report = readFileSync(join(out, "report.html"), "utf8");
    expect(report).not.toContain("the whole demo took");
    expect(report).toContain(`since it went on at step ${since}`);
    const blind = JSON.parse(readFileSync(join(out, "organ-question-only", "run.json"), "utf8"));
    expect(blind).toEqual({ ...stages[0].config, images: "blank" });

    // Resumed with other settings: refused, and what was finished stays.
    const other = await consilium([...args, "--seed", "7", "--resume"]);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("other settings: seed 42, now 7");
    for (const name of ["report.html", "demo.json"]) expect(existsSync(join(out, name)), name).toBe(true);

    const anew = await stopAt(/step 1\//);
    expect(anew.code, anew.stderr).toBe(130);
    expect(anew.stderr).not.toContain("going on");
    for (const name of ["report.html", "demo.json"]) expect(existsSync(join(out, name)), name).toBe(false);
    expect(existsSync(join(out, "organ", "last.safetensors"))).toBe(true);
  }, 600_000);

  test("a folder that is no run of the demo is left alone", async () => {
    const other = join(folder, "other");
    mkdirSync(join(other, "organ"), { recursive: true });
    writeFileSync(join(other, "organ", "thesis.txt"), "");
    const { code, stderr } = await consilium(["demo", "--fast", "--out", other, "--device", "cpu"]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("is no run of the demo") });
    expect(existsSync(join(other, "organ", "thesis.txt"))).toBe(true);
  });
});
