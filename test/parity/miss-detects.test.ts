import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, openDevice } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import type { VerifyReport } from "../../models/golden/report.js";
import { verify } from "../../models/verify.js";

/** Every golden value is moved by ten tolerances at once: what passes then would pass whatever the model computed. */
const golden = fileURLToPath(new URL("../fixtures/miss", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "consilium-golden-"));
const manifestFile = join(folder, "manifest.json");
let device: Device;

type Tolerance = { forward: number; grad_relative_to_max: number; step1: number };

beforeAll(async () => {
  device = await openDevice("reference");
  cpSync(golden, folder, { recursive: true });
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

const magnitude = (values: ArrayLike<number>) =>
  Array.from(values).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);

function distance(name: string, values: ArrayLike<number>, tolerance: Tolerance): number {
  if (name.startsWith("grad.")) return 10 * tolerance.grad_relative_to_max * magnitude(values);
  if (name.startsWith("step1.")) return 10 * tolerance.step1;
  return 10 * tolerance.forward * Math.max(1, magnitude(values));
}

async function moveTensors(scenario: string, tolerance: Tolerance): Promise<void> {
  const file = join(folder, scenario === "preprocess" ? "preprocess.safetensors" : `expected_${scenario}.safetensors`);
  const moved = [...(await readAll(file))].map(([name, { values, shape, integer }]) => {
    if (isGiven(scenario, name)) return io.writable(name, shape, Float64Array.from(values), integer ? "I32" : "F32");
    if (integer)
      return io.writable(
        name,
        shape,
        Float64Array.from(values, (v) => v + 1),
        "I32",
      );
    const by = distance(name, values, tolerance);
    return io.writable(
      name,
      shape,
      Float64Array.from(values, (v) => v + by),
      "F32",
    );
  });
  await io.writeSafetensors(file, moved);
}

/** The numbers of a scenario that a model gives; margins between beams are facts about the fixtures. */
function moveNumbers(scenario: Record<string, unknown>, tolerance: Tolerance): void {
  const relative = 10 * tolerance.grad_relative_to_max;
  const of = scenario as {
    losses_over_5_steps?: number[];
    grad_norm: Record<string, number>;
    losses?: Record<string, number>;
    tied?: string[];
  };
  const largestNorm = magnitude(Object.values(of.grad_norm));
  for (const [name, norm] of Object.entries(of.grad_norm))
    of.grad_norm[name] = norm > 1e-9 ? norm * (1 + relative) : relative * largestNorm;
  of.losses_over_5_steps = of.losses_over_5_steps?.map((loss) => loss * (1 + relative));
  for (const [name, loss] of Object.entries(of.losses ?? {}))
    if (of.losses) of.losses[name] = loss * (1 + 10 * tolerance.forward);
  of.tied = of.tied?.map((name) => `${name}.other`);
  for (const name of ["total", "trainable", "merged_names"])
    if (name in scenario) scenario[name] = (scenario[name] as number) + 1;
  for (const name of ["loss", "trainable_percent"])
    if (name in scenario) scenario[name] = (scenario[name] as number) * (1 + 10 * tolerance.forward);
  if ("merged_max_abs_diff" in scenario) scenario.merged_max_abs_diff = 1;
}

/** What a scenario is given, which nothing computes. */
const isGiven = (scenario: string, name: string) =>
  scenario === "pretrain"
    ? /^(image|text_ids|text_mask|neg_image_index|neg_text_index)$/.test(name)
    : scenario === "preprocess" && name.includes(".src");

describe.each(["full", "lora", "ia3", "prefix", "ptv2", "dec_lora_ft", "pretrain", "preprocess"])("%s", (name) => {
  let report: VerifyReport;

  beforeAll(async () => {
    const manifest = JSON.parse(readFileSync(manifestFile, "utf8"));
    await moveTensors(name, manifest.tolerance);
    if (name in manifest.scenarios) moveNumbers(manifest.scenarios[name], manifest.tolerance);
    writeFileSync(manifestFile, JSON.stringify(manifest));
    report = await verify(folder, device, { only: [name] });
  }, 120_000);

  test("each golden tensor and number fails when it is ten tolerances off", () => {
    expect(report.passed).toBe(false);
    expect(report.missed).toEqual([]);
    expect(report.rows.filter((row) => row.elements > 0 && row.passed)).toEqual([]);
  });

  test("only biases of attention keys have no value to compare after the step: their gradient is rounding noise", () => {
    const empty = report.rows.filter((row) => row.elements === 0).map((row) => row.tensor);
    for (const tensor of empty) expect(tensor).toMatch(/^step1\..*\.key\.(base_layer\.)?bias$/);
  });
});

test("a step without its golden gradient is compared where ours is more than rounding noise", async () => {
  const file = join(folder, "expected_full.safetensors");
  cpSync(join(golden, "expected_full.safetensors"), file);
  cpSync(join(golden, "manifest.json"), manifestFile);
  const all = [...(await readAll(file))].filter(([name]) => !name.startsWith("grad."));
  await io.writeSafetensors(
    file,
    all.map(([name, { values, shape, integer }]) =>
      io.writable(name, shape, Float64Array.from(values), integer ? "I32" : "F32"),
    ),
  );
  const { rows, missed, passed } = await verify(folder, device, { only: ["full"] });
  expect(missed).toEqual([]);
  expect(rows.filter((row) => !row.passed)).toEqual([]);
  expect(passed).toBe(true);
  expect(rows.filter((row) => row.tensor.startsWith("step1.")).length).toBeGreaterThan(20);
}, 120_000);

test("what the manifest expects and nothing computes is listed", async () => {
  const manifest = JSON.parse(readFileSync(manifestFile, "utf8"));
  manifest.scenarios.full.grad_norm["visual_encoder.none"] = 1;
  writeFileSync(manifestFile, JSON.stringify(manifest));
  const { missed, passed } = await verify(folder, device, { only: ["full"] });
  expect(passed).toBe(false);
  expect(missed.map((m) => m.tensor)).toEqual(["manifest.grad_norm.visual_encoder.none"]);
}, 120_000);
