import type { Device } from "../../../engine/index.js";
import { Comparison, type Golden, type Row } from "../../golden/comparison.js";
import { readAll } from "../../golden/read.js";
import { checkScenarios, type Missed, reportOf, type VerifyOptions, type VerifyReport } from "../../golden/report.js";
import { GoldenFile } from "./golden.js";
import { type Manifest, readManifest } from "./manifest.js";
import { isInput, verifyModel } from "./model.js";

/** One part of the folder: what it expects, and how it is computed. */
interface Scenario {
  expected(): Promise<ReadonlyMap<string, Golden>>;
  run(c: Comparison): Promise<void>;
}

/**
 * Recomputes a folder of golden tensors of Med-MoE on a device: gates, mixtures, models with one and two experts per token,
 * prompts, images, metrics, stored types. Sizes and seeds are the folder's own.
 */
export async function verifyMedMoe(folder: string, device: Device, options: VerifyOptions = {}): Promise<VerifyReport> {
  const manifest = await readManifest(folder);
  const scenarios = await scenariosOf(folder, device, manifest);
  checkScenarios(folder, [...scenarios.keys()], options);
  const rows: Row[] = [];
  const missed: Missed[] = [];
  for (const name of options.only ?? scenarios.keys()) {
    const scenario = scenarios.get(name) as Scenario;
    options.onScenario?.(name);
    const c = new Comparison(name, await scenario.expected());
    await scenario.run(c);
    rows.push(...c.rows);
    for (const tensor of c.missed) missed.push({ scenario: name, tensor, reason: "nothing computes it" });
  }
  return reportOf(rows, missed);
}

async function scenariosOf(folder: string, device: Device, manifest: Manifest): Promise<Map<string, Scenario>> {
  const scenarios = new Map<string, Scenario>();
  for (const model of Object.keys(manifest.models))
    for (const topK of [1, 2] as const)
      scenarios.set(`${model}.top${topK}`, modelScenario(folder, device, manifest, model, topK));
  return scenarios;
}

function modelScenario(folder: string, device: Device, manifest: Manifest, model: string, topK: 1 | 2): Scenario {
  const { models } = manifest;
  const golden = async () => {
    const file = (k: number) => `${folder}/${model}/expected_top${k}.safetensors`;
    const all = await readAll(file(topK));
    if (topK === 2) {
      // What both have in common is stored once.
      const first = await readAll(file(1));
      for (const name of models[model].top2_values_found_only_in_top1_file) {
        const found = first.get(name);
        if (found) all.set(name, found);
      }
    }
    return new GoldenFile(file(topK), all);
  };
  return {
    expected: async () =>
      new Map<string, Golden>([
        ...(await golden()).expected(isInput),
        ["manifest.loss", { values: models[model][`loss_top${topK}`], integer: false }],
      ]),
    run: async (c) => verifyModel(`${folder}/${model}`, device, { golden: await golden(), manifest, topK, c }),
  };
}
