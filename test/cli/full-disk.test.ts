import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tryOpen } from "../support/devices.js";
import { mountsRefused, smallDisk } from "../support/namespace.js";
import { consilium, consiliumProcess, consiliumStoppedAt } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();
const refused = device ? mountsRefused() : reason;

describe.skipIf(refused)(`a full disk${refused}`, () => {
  test("ends the training with one clear error, spares the last checkpoint; it goes on after room is made", async () => {
    const disk = await smallDisk(64 << 20);
    const out = join(disk, "run");
    const last = join(out, "last.safetensors");
    const train = ["train", "miss", "--out", out, "--device", "cpu"];
    const settings = ["--set", "organ-smoke", "--epochs", "2", "--vocabulary", "reduced", "--answering", "rank"];
    const resume = [...train, "--resume", "--checkpoint-seconds", "0"];

    const begun = await consiliumStoppedAt(/^step 1\//m, "SIGTERM", [...train, ...settings]);
    expect(begun.code, begun.stderr).toBe(130);
    const [files, before] = [readdirSync(out), readFileSync(last)];
    fill(join(disk, "filler"));

    const full = await consiliumProcess(resume);
    expect(full.code).toBe(1);
    expect(full.stderr).toContain(`consilium: ${last}: the disk is full. Make room and try again`);
    expect(full.stderr).toContain(`Go on with: npx consilium train miss --out ${out} --resume`);
    expect(full.stderr).not.toMatch(/\n\s+at /);
    expect(readFileSync(last).equals(before)).toBe(true);
    expect(readdirSync(out)).toEqual(files);

    rmSync(join(disk, "filler"));
    const { code, stderr } = await consiliumProcess(resume);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/going on at step \d/);
  }, 120_000);

  test("says so too where only a result is written", async () => {
    const disk = await smallDisk(1 << 20);
    fill(join(disk, "filler"));
    const { code, stderr } = await consilium([
      "devices",
      "--device",
      "reference",
      "--json",
      join(disk, "devices.json"),
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${join(disk, "devices.json")}: the disk is full. Make room and try again`);
  });

  test("before the first checkpoint leaves nothing behind", async () => {
    const disk = await smallDisk(1 << 20);
    fill(join(disk, "filler"));
    const { code, stderr } = await consilium(["train", "miss", "--out", join(disk, "run"), "--epochs", "1"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${join(disk, "run/run.json")}: the disk is full. Make room and try again`);
    expect(readdirSync(join(disk, "run"))).toEqual([]);
  });
});

/** Writes a file until the disk takes no more. */
function fill(path: string): void {
  const file = openSync(path, "w");
  const piece = new Uint8Array(4096);
  try {
    for (;;) writeSync(file, piece);
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
  } finally {
    closeSync(file);
  }
}
