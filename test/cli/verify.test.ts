import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { consilium, goldenFolder, temporaryFolder } from "./support.js";

const TIMEOUT = 180_000;

test(
  "golden tensors on the reference device",
  async () => {
    const { code, stdout } = await consilium([
      "verify",
      goldenFolder,
      "--only",
      "full,lora",
      "--device",
      "reference",
      "--json",
      "-",
    ]);
    expect(code).toBe(0);
    const { version, passed, rows, missed } = JSON.parse(stdout);
    expect({ version, passed, missed }).toEqual({ version: 1, passed: true, missed: [] });
    expect(new Set(rows.map((row: { scenario: string }) => row.scenario))).toEqual(new Set(["full", "lora"]));
  },
  TIMEOUT,
);

test(
  "golden tensors of Med-MoE",
  async () => {
    const folder = join(goldenFolder, "../med-moe");
    const { code, stdout } = await consilium(["verify", folder, "--device", "reference", "--json", "-"]);
    expect(code).toBe(0);
    const { passed, rows, missed } = JSON.parse(stdout);
    expect({ passed, missed }).toEqual({ passed: true, missed: [] });
    const scenarios = new Set(rows.map((row: { scenario: string }) => row.scenario));
    for (const name of [
      "gating",
      "moe_layer",
      "stablelm.top1",
      "phi.top2",
      "prompts",
      "images",
      "metrics",
      "dtypes",
      "files",
    ])
      expect(scenarios).toContain(name);
  },
  TIMEOUT,
);

test(
  "one expected tensor moved by ten tolerances is found",
  async () => {
    const folder = join(temporaryFolder(), "golden");
    cpSync(goldenFolder, folder, { recursive: true });
    const { tolerance } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    moveFirst(join(folder, "expected_full.safetensors"), "decoder_logits", 10 * tolerance.forward);

    const { code, stdout } = await consilium([
      "verify",
      folder,
      "--only",
      "full",
      "--device",
      "reference",
      "--json",
      "-",
    ]);
    expect(code).toBe(1);
    const beyond = JSON.parse(stdout).rows.filter((row: { passed: boolean }) => !row.passed);
    expect(beyond.map((row: { tensor: string }) => row.tensor)).toEqual(["decoder_logits"]);
  },
  TIMEOUT,
);

test(
  "what cannot be compared fails, with the reason",
  async () => {
    const folder = join(temporaryFolder(), "golden");
    cpSync(goldenFolder, folder, { recursive: true });
    const file = join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    manifest.scenarios.ia3.method = "vera";
    writeFileSync(file, JSON.stringify(manifest));
    const { code, stdout } = await consilium(["verify", folder, "--only", "ia3", "--device", "reference"]);
    expect(code).toBe(1);
    expect(stdout).toContain("not compared: ia3: *: this version has no such tuning method");
  },
  TIMEOUT,
);

/** Adds `shares` of the tensor's largest magnitude (at least 1) to its first element, in the file. */
function moveFirst(file: string, tensor: string, shares: number): void {
  const bytes = readFileSync(file);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  const { dtype, data_offsets } = header[tensor];
  expect(dtype).toBe("F32");
  const [begin, end] = data_offsets.map((offset: number) => 8 + headerBytes + offset);
  let largest = 1;
  for (let at = begin; at < end; at += 4) largest = Math.max(largest, Math.abs(bytes.readFloatLE(at)));
  bytes.writeFloatLE(bytes.readFloatLE(begin) + shares * largest, begin);
  writeFileSync(file, bytes);
}
